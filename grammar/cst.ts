// Written by scripts/cst-types.ts from the rules of parser.ts.
import type { CstNode, IToken } from "chevrotain";

export interface FileCstNode extends CstNode {
  name: "file";
  children: FileCstChildren;
}

export type FileCstChildren = {
  version?: VersionCstNode[];
  item?: ItemCstNode[];
};

export interface VersionCstNode extends CstNode {
  name: "version";
  children: VersionCstChildren;
}

export type VersionCstChildren = {
  Moeut: IToken[];
  NumberLiteral: IToken[];
};

export interface ItemCstNode extends CstNode {
  name: "item";
  children: ItemCstChildren;
}

export type ItemCstChildren = {
  import?: ImportCstNode[];
  model?: ModelCstNode[];
  compare?: CompareCstNode[];
  statement?: StatementCstNode[];
};

export interface ImportCstNode extends CstNode {
  name: "import";
  children: ImportCstChildren;
}

export type ImportCstChildren = {
  Import: IToken[];
  StringLiteral: IToken[];
};

export interface ModelCstNode extends CstNode {
  name: "model";
  children: ModelCstChildren;
}

export type ModelCstChildren = {
  Model: IToken[];
  AnyWord: (IToken)[];
  From?: IToken[];
  block: BlockCstNode[];
};

export interface CompareCstNode extends CstNode {
  name: "compare";
  children: CompareCstChildren;
}

export type CompareCstChildren = {
  Compare: IToken[];
  AnyWord: IToken[];
  block: BlockCstNode[];
};

export interface BlockCstNode extends CstNode {
  name: "block";
  children: BlockCstChildren;
}

export type BlockCstChildren = {
  LBrace: IToken[];
  statement?: StatementCstNode[];
  RBrace: IToken[];
};

export interface StatementCstNode extends CstNode {
  name: "statement";
  children: StatementCstChildren;
}

export type StatementCstChildren = {
  fn?: FnCstNode[];
  layer?: LayerCstNode[];
  stack?: StackCstNode[];
  expect?: ExpectCstNode[];
  match?: MatchCstNode[];
  vary?: VaryCstNode[];
  entry?: EntryCstNode[];
};

export interface EntryCstNode extends CstNode {
  name: "entry";
  children: EntryCstChildren;
}

export type EntryCstChildren = {
  Identifier: IToken[];
  valueList?: ValueListCstNode[];
  clause?: ClauseCstNode[];
  block?: BlockCstNode[];
};

export interface ClauseCstNode extends CstNode {
  name: "clause";
  children: ClauseCstChildren;
}

export type ClauseCstChildren = {
  At?: IToken[];
  On?: IToken[];
  In?: IToken[];
  valueList: ValueListCstNode[];
};

export interface ValueListCstNode extends CstNode {
  name: "valueList";
  children: ValueListCstChildren;
}

export type ValueListCstChildren = {
  value: (ValueCstNode)[];
  Comma?: IToken[];
};

export interface ValueCstNode extends CstNode {
  name: "value";
  children: ValueCstChildren;
}

export type ValueCstChildren = {
  NumberLiteral?: IToken[];
  StringLiteral?: IToken[];
  path?: PathCstNode[];
};

export interface PathCstNode extends CstNode {
  name: "path";
  children: PathCstChildren;
}

export type PathCstChildren = {
  Identifier: IToken[];
  Dot?: IToken[];
  part?: PartCstNode[];
};

export interface PartCstNode extends CstNode {
  name: "part";
  children: PartCstChildren;
}

export type PartCstChildren = {
  Identifier?: IToken[];
  At?: IToken[];
  On?: IToken[];
};

export interface TargetCstNode extends CstNode {
  name: "target";
  children: TargetCstChildren;
}

export type TargetCstChildren = {
  Layer?: IToken[];
  Dot?: IToken[];
  path: PathCstNode[];
};

export interface FnCstNode extends CstNode {
  name: "fn";
  children: FnCstChildren;
}

export type FnCstChildren = {
  Fn: IToken[];
  AnyWord: (IToken)[];
  LParen: IToken[];
  Comma?: IToken[];
  RParen: IToken[];
  Equals: IToken[];
  sum: SumCstNode[];
};

export interface SumCstNode extends CstNode {
  name: "sum";
  children: SumCstChildren;
}

export type SumCstChildren = {
  product: ProductCstNode[];
  AddSign?: IToken[];
};

export interface ProductCstNode extends CstNode {
  name: "product";
  children: ProductCstChildren;
}

export type ProductCstChildren = {
  factor: FactorCstNode[];
  MultiplySign?: IToken[];
};

export interface FactorCstNode extends CstNode {
  name: "factor";
  children: FactorCstChildren;
}

export type FactorCstChildren = {
  Minus?: IToken[];
  operand: OperandCstNode[];
};

export interface OperandCstNode extends CstNode {
  name: "operand";
  children: OperandCstChildren;
}

export type OperandCstChildren = {
  NumberLiteral?: IToken[];
  Identifier?: IToken[];
  arguments?: ArgumentsCstNode[];
  LParen?: IToken[];
  sum?: SumCstNode[];
  RParen?: IToken[];
};

export interface ArgumentsCstNode extends CstNode {
  name: "arguments";
  children: ArgumentsCstChildren;
}

export type ArgumentsCstChildren = {
  LParen: IToken[];
  argument: ArgumentCstNode[];
  Comma?: IToken[];
  RParen: IToken[];
};

export interface ArgumentCstNode extends CstNode {
  name: "argument";
  children: ArgumentCstChildren;
}

export type ArgumentCstChildren = {
  sum: (SumCstNode)[];
  CompareSign?: IToken[];
};

export interface LayerCstNode extends CstNode {
  name: "layer";
  children: LayerCstChildren;
}

export type LayerCstChildren = {
  Layer: IToken[];
  Star?: IToken[];
  AnyWord?: IToken[];
  Comma?: IToken[];
  block: BlockCstNode[];
};

export interface StackCstNode extends CstNode {
  name: "stack";
  children: StackCstChildren;
}

export type StackCstChildren = {
  Stack: IToken[];
  sequence: SequenceCstNode[];
};

export interface SequenceCstNode extends CstNode {
  name: "sequence";
  children: SequenceCstChildren;
}

export type SequenceCstChildren = {
  repeat: RepeatCstNode[];
  Comma?: IToken[];
};

export interface RepeatCstNode extends CstNode {
  name: "repeat";
  children: RepeatCstChildren;
}

export type RepeatCstChildren = {
  Identifier?: IToken[];
  group?: (GroupCstNode)[];
  Star?: IToken[];
  NumberLiteral?: IToken[];
};

export interface GroupCstNode extends CstNode {
  name: "group";
  children: GroupCstChildren;
}

export type GroupCstChildren = {
  LParen: IToken[];
  sequence: SequenceCstNode[];
  RParen: IToken[];
};

export interface ExpectCstNode extends CstNode {
  name: "expect";
  children: ExpectCstChildren;
}

export type ExpectCstChildren = {
  Expect: IToken[];
  Identifier: IToken[];
  NumberLiteral: (IToken)[];
  PlusMinus?: IToken[];
};

export interface MatchCstNode extends CstNode {
  name: "match";
  children: MatchCstChildren;
}

export type MatchCstChildren = {
  Match: IToken[];
  Identifier: (IToken)[];
  By?: IToken[];
  target?: TargetCstNode[];
};

export interface VaryCstNode extends CstNode {
  name: "vary";
  children: VaryCstChildren;
}

export type VaryCstChildren = {
  Vary: IToken[];
  Stack?: IToken[];
  target?: TargetCstNode[];
  In: IToken[];
  valueList: ValueListCstNode[];
};
