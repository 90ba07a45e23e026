/** Where ideas of the language come from: authors, year, arXiv number. The docs of language.ts name them, as `[@glu]`. */
export const SOURCES: Readonly<Record<string, string>> = {
  // layers
  transformer: "Vaswani et al. 2017, arXiv:1706.03762",
  moeut: "Csordás et al. 2024, arXiv:2405.16039",
  layernorm: "Ba et al. 2016, arXiv:1607.06450",
  rmsnorm: "Zhang & Sennrich 2019, arXiv:1910.07467",
  pre_norm: "Xiong et al. 2020, arXiv:2002.04745",
  sandwich: "Ding et al. 2021, arXiv:2105.13290",
  depth_mup: "Yang et al. 2023, arXiv:2310.02244",
  convolutional: "Gehring et al. 2017, arXiv:1705.03122",
  tying: "Press & Wolf 2017, arXiv:1608.05859",

  // attention
  switchhead: "Csordás et al. 2023, arXiv:2312.07987",
  moa: "Zhang et al. 2022, arXiv:2210.05144",
  sut: "Tan et al. 2023, arXiv:2310.07096",
  mqa: "Shazeer 2019, arXiv:1911.02150",
  gqa: "Ainslie et al. 2023, arXiv:2305.13245",
  longformer: "Beltagy et al. 2020, arXiv:2004.05150",
  rope: "Su et al. 2021, arXiv:2104.09864",
  neox: "Black et al. 2022, arXiv:2204.06745",
  llama3: "Grattafiori et al. 2024, arXiv:2407.21783",
  interpolation: "Chen et al. 2023, arXiv:2306.15595",
  qwen: "Bai et al. 2023, arXiv:2309.16609",
  olmoe: "Muennighoff et al. 2024, arXiv:2409.02060",
  nope: "Kazemnejad et al. 2023, arXiv:2305.19466",
  relative: "Shaw et al. 2018, arXiv:1803.02155",
  qk_norm: "Henry et al. 2020, arXiv:2010.04245",
  vit_22b: "Dehghani et al. 2023, arXiv:2302.05442",

  // feed-forward blocks and routers
  sigma_moe: "Csordás et al. 2023, arXiv:2310.10837",
  sparse_moe: "Shazeer et al. 2017, arXiv:1701.06538",
  gshard: "Lepikhin et al. 2020, arXiv:2006.16668",
  dropout: "Hinton et al. 2012, arXiv:1207.0580",
  switch: "Fedus et al. 2021, arXiv:2101.03961",
  st_moe: "Zoph et al. 2022, arXiv:2202.08906",
  qwen_moe: "Yang et al. 2024, arXiv:2407.10671",
  deepseek_moe: "Dai et al. 2024, arXiv:2401.06066",
  deepseek_v2: "DeepSeek-AI 2024, arXiv:2405.04434",
  deepseek_v3: "DeepSeek-AI 2024, arXiv:2412.19437",
  loss_free: "Wang et al. 2024, arXiv:2408.15664",
  glu: "Shazeer 2020, arXiv:2002.05202",
  primer: "So et al. 2021, arXiv:2109.08668",
  gelu: "Hendrycks & Gimpel 2016, arXiv:1606.08415",
  silu: "Elfwing et al. 2017, arXiv:1702.03118",

  // depth
  act: "Graves 2016, arXiv:1603.08983",
  universal: "Dehghani et al. 2018, arXiv:1807.03819",
  recurrent_depth: "Geiping et al. 2025, arXiv:2502.05171",
  looped: "Yang et al. 2023, arXiv:2311.12424",
  highway: "Srivastava et al. 2015, arXiv:1505.00387",

  // training
  adamw: "Loshchilov & Hutter 2017, arXiv:1711.05101",
  adam: "Kingma & Ba 2014, arXiv:1412.6980",
  cosine: "Loshchilov & Hutter 2016, arXiv:1608.03983",
  warmup: "Goyal et al. 2017, arXiv:1706.02677",
  clipping: "Pascanu et al. 2012, arXiv:1211.5063",
};
