import type { TaskProtocol } from "../../runtime/tasks/items.ts";
import type { AdapterOption, SetOption } from "../options.ts";

/** What `eval` is given. */
export interface EvalOptions extends SetOption, AdapterOption {
  readonly data?: readonly string[];
  readonly tasks?: readonly string[];
  readonly protocol?: TaskProtocol;
  readonly limit?: number;
  readonly items?: string;
  readonly stride?: number;
  readonly maxTokens?: number;
  readonly passes?: readonly number[];
  readonly json?: boolean;
}
