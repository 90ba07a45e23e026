/**
 * Options of a whole run of the training code that say how it was trained, logged and tested, and nothing about its model.
 * Source: the parsers of main.py, framework/task, framework/helpers and tasks in moeut_training_code.
 */
export const RUN_OPTIONS: readonly string[] = [
  "name", "task", "log", "reset", "restore", "gpu", "seed", "keep_alive", "sweep_id_for_grid_search", "save_interval",
  "wandb_save_interval", "wandb_bug_workaround", "wandb_sync_checkpoints", "fs_cache_pattern", "load_pretrained_model", "test_pretrained",
  "train_baseline", "test_only", "nan_detect", "speedtest", "dump_logs", "log_grad_norms", "debug_plot_interval", "details_log_interval",
  "plot.n_steps", "dump_validation_plots", "val_log_details", "amp", "bfloat16", "reg_scales", "reg_lin_decay", "optimizer", "adam.betas",
  "adam.eps", "lr", "wd", "grad_clip", "lr_warmup", "min_lr_multiplier", "lr_sched.type", "lr_sched.steps", "lr_sched.gamma", "stop_after",
  "batch_size", "n_microbatch", "per_device_batch_size", "test_batch_size", "test_interval", "max_length_per_batch",
  "length_bucketed_sampling", "sentencepiece.n_pieces", "lmds.valid_ratio", "lm.unroll", "lm.unroll_eval", "lm.state_drop_probability",
  "lm.example_context", "lm.example_window", "lm.eval.enabled", "lm.eval.blimp.enabled", "lm.eval.blimp.batch_mul", "lm.eval.cbt.enabled",
  "lm.eval.cbt.batch_mul", "lm.eval.cbt.length_limit", "lm.eval.cbt.end_only", "lm.eval.hellaswag.enabled", "lm.eval.hellaswag.batch_mul",
  "lm.eval.piqa.enabled", "lm.eval.piqa.batch_mul", "lm.eval.ai2arc.enabled", "lm.eval.ai2arc.batch_mul", "n_nodes", "experiment_name",
];
