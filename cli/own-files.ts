/** Folders that a command fills with files of its own. */
import { UserError } from "../runtime/errors.ts";
import { entriesOf } from "../runtime/files/folder.ts";
import { hasOwn, notOwn, type FileContent } from "../runtime/files/written.ts";

/**
 * UserError for a folder with contents where the command wrote nothing, or a version that kept no record of it; unless forced.
 * @param mark a file that the command always writes
 */
export function requireFree({ out, force }: { readonly out: string; readonly force?: boolean }, mark: string): void {
  if (force === true || entriesOf(out).length === 0 || hasOwn(out, mark)) return;
  throw new UserError(`${out} holds other files; choose another folder, or add --force to write beside them`);
}

/** UserError, before anything is written, if files would be written over that the command did not write, or that were changed since. */
export function requireOwn(files: readonly FileContent[], out: string): void {
  const paths = notOwn(out, files);
  if (paths.length === 0) return;
  throw new UserError(`${out} holds files that are not as moeut wrote them, and nothing was written: ${paths.join(", ")}; `
    + "move or remove them, or choose another folder with --out");
}
