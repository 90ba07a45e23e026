/**
 * Makes the Python in which tests compare with PyTorch: a virtual environment in .moeut/python, once for each list of packages. Where that
 * cannot be, it says why in one line and ends well, and those tests are skipped. MOEUT_PYTHON names another Python, or is `none`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["torch==2.13.0", "transformers==5.18.0", "safetensors==0.8.0", "numpy==2.4.6", "ruff==0.16.9"];

/** lm-evaluation-harness, and what scoring imports: it asks for more, which only tasks need that no test takes, and not every index has. */
const HARNESS = ["lm-eval==0.4.13"];
const HARNESS_IMPORTS = [
  "accelerate==1.15.0", "datasets==5.0.1", "dill==0.4.1", "jinja2==3.1.6", "more-itertools==11.1.0", "sacrebleu==2.6.0",
];

/**
 * Writes the bytecode that tests run, which pip is told not to: it would compile all of PyTorch. Without it, each Python that imports
 * PyTorch and transformers compiles them anew, for more than half of its time.
 */
const IMPORTS = "import torch.distributed.run, torch.distributed.fsdp, torch.distributed.checkpoint.state_dict, safetensors.torch\n"
  + "from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_utils, tokenization_utils_fast";
const HARNESS_IMPORTED = "import lm_eval.evaluator, lm_eval.models.huggingface";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const FOLDER = join(ROOT, ".moeut", "python");
const STAMP = join(FOLDER, "moeut-setup");
const isWindows = process.platform === "win32";
const SYSTEM_PYTHON = isWindows ? "python" : "python3";
const PYTHON = join(FOLDER, ...(isWindows ? ["Scripts", "python.exe"] : ["bin", "python"]));

const seconds = Number(process.env.MOEUT_PYTHON_LIMIT ?? 300);
const end = Date.now() + 1000 * seconds;

/** @returns standard output. Error for readers if the program cannot be started, fails, or is not through in time. */
function run(program, ...args) {
  const timeout = Math.max(1, end - Date.now());
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "" };
  const options = { encoding: "utf8", env, timeout, killSignal: "SIGKILL", maxBuffer: 2 ** 28 };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status === 0) return stdout;
  if (error?.code === "ETIMEDOUT") throw new Error(`it was not made within ${seconds} s`);
  if (error) throw new Error(`${program} cannot be started (${error.code})`);
  throw new Error(stderr.trim().split("\n").at(-1));
}

/** One try an address, since those that cannot be reached are asked for each package. */
const PIP = ["--quiet", "--no-input", "--no-compile", "--retries", "0", "--timeout", "15", "--only-binary", ":all:"];
const pip = (...args) => run(PYTHON, "-m", "pip", "install", ...PIP, ...args);

/** Gigabytes of libraries that nothing here could use. */
function refuseCuda() {
  const { install } = JSON.parse(pip("--dry-run", "--report", "-", ...PACKAGES));
  const found = install.map(({ metadata }) => metadata.name).find((name) => /^(nvidia|cuda|triton)\b/.test(name));
  if (!found) return;
  throw new Error(`pip finds no PyTorch without CUDA here (it would install ${found}); PIP_EXTRA_INDEX_URL may name an index that has one`);
}

/** The harness where it can be had, and the bytecode of all that tests import. */
function finish() {
  try {
    pip(...HARNESS_IMPORTS);
    pip("--no-deps", ...HARNESS);
    run(PYTHON, "-c", `${IMPORTS}\n${HARNESS_IMPORTED}`);
  } catch (error) {
    console.log(`moeut set-up: nothing will be compared with lm-evaluation-harness: ${error.message}`);
    run(PYTHON, "-c", IMPORTS);
  }
}

function make() {
  rmSync(FOLDER, { recursive: true, force: true });
  run(SYSTEM_PYTHON, "-c", "import sys; sys.version_info >= (3, 10) or sys.exit(f'Python {sys.version.split()[0]} is older than 3.10')");
  console.log("moeut set-up: making a Python with PyTorch for the tests (MOEUT_PYTHON=none leaves it out) …");
  mkdirSync(dirname(FOLDER), { recursive: true });
  run(SYSTEM_PYTHON, "-m", "venv", FOLDER);
  refuseCuda();
  pip(...PACKAGES);
  finish();
}

const stamp = createHash("sha256").update(JSON.stringify([PACKAGES, HARNESS_IMPORTS, HARNESS])).digest("hex");
const isMade = () => existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp;
if (!process.env.MOEUT_PYTHON && !isMade()) {
  try {
    make();
    writeFileSync(STAMP, stamp);
    console.log(`moeut set-up: done in ${Math.ceil(seconds - (end - Date.now()) / 1000)} s`);
  } catch (error) {
    rmSync(FOLDER, { recursive: true, force: true });
    console.log(`moeut set-up: tests that compare with PyTorch are skipped: ${error.message}`);
  }
}
