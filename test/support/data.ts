/** A source, read and split. */
import { datasetOf, loadText, type Dataset, type TextOptions } from "../../runtime/data/index.ts";

export type DataOptions = TextOptions & Parameters<typeof datasetOf>[1];

/** UserError for whatever is wrong with the source or what is in it. */
export const loadData = async (source: string | readonly string[], options: DataOptions): Promise<Dataset> =>
  datasetOf(await loadText(source, options), options);
