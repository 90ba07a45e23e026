/** A mistake the user can correct: a wrong file, value or option. Exit status 1. */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly exitStatus = 1;
}

/** The machine cannot do it: no adapter, a lost device, a full disk. Exit status 2. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
  readonly exitStatus = 2;
}

const MAX_LISTED = 20;

/** All that is wrong with a file, at once, a line each. */
export function severalProblems(file: string, problems: readonly string[]): UserError {
  const more = problems.length > MAX_LISTED ? [`${problems.length - MAX_LISTED} further problems`] : [];
  return new UserError(`${file}: ${[...problems.slice(0, MAX_LISTED), ...more].join("\n  ")}`);
}

/** 1 the user's mistake, 2 the environment, 3 a bug. */
export function exitStatusOf(error: unknown): 1 | 2 | 3 {
  if (error instanceof UserError) return error.exitStatus;
  return error instanceof EnvironmentError ? error.exitStatus : 3;
}

/** The `code` of a Node system error ("ENOENT"), or "" for any other value. */
export function systemCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? "";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a directory",
  EEXIST: "a part of the path is a file",
  ENOTDIR: "a part of the path is not a directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ELOOP: "its symbolic links form a loop",
  ENAMETOOLONG: "the name is too long",
};

/** A failed read is the user's to fix, whatever the reason: the message names the path and says why. */
export function cannotRead(path: string, error: unknown): UserError {
  return new UserError(`cannot read ${path}: ${REASONS[systemCode(error)] ?? messageOf(error)}`);
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
/** The shape of the path that the user chose. */
const MISTAKEN = new Set(["EISDIR", "ENOTDIR", "EEXIST", "ELOOP", "ENAMETOOLONG"]);

/** A failed write: the path is a mistake (exit 1), or disk and system do not let it be (exit 2, with the system's reason). */
export function cannotWrite(path: string, error: unknown): UserError | EnvironmentError {
  const code = systemCode(error);
  if (FULL.has(code)) return new EnvironmentError(`cannot write ${path}: the disk is full (${code}); what was there before is kept`);
  if (MISTAKEN.has(code)) return new UserError(`cannot write ${path}: ${REASONS[code]}`);
  return new EnvironmentError(`cannot write ${path}: ${messageOf(error)}`);
}
