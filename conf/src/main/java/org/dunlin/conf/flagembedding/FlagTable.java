package org.dunlin.conf.flagembedding;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Every flag of FlagEmbedding's fine-tuning, and of the trainer below it that people use. */
final class FlagTable {
  static final String BATCH = "--per_device_train_batch_size";
  static final String WORLD = "--world_size";
  static final String PROCESSES = "--nproc_per_node";
  static final String NODES = "--nnodes";
  static final String DISTILLS = "--knowledge_distillation";
  static final String DISTILLATION_LOSS = "--kd_loss_type";
  static final String FP16 = "--fp16";
  static final String BF16 = "--bf16";

  /** In the documentation's order. */
  static final Map<String, Meaning> ALL;

  /** What FlagEmbedding takes where its command says nothing, and Dunlin's default is another. */
  static final Map<String, String> DEFAULTS = new LinkedHashMap<>();

  private static final Map<String, Meaning> TABLE = new LinkedHashMap<>();

  private FlagTable() {}

  static {
    models();
    data();
    losses();
    batches();
    optimizer();
    outputs();
    processes();
    ALL = Collections.unmodifiableMap(TABLE);
    DEFAULTS.put("data.group-size", "8");
    DEFAULTS.put("data.query-max-tokens", "32");
    DEFAULTS.put("data.passage-max-tokens", "128");
    DEFAULTS.put("loss.temperature", "0.02");
    DEFAULTS.put("model.pooling", "cls");
    DEFAULTS.put("optimizer.learning-rate", "5e-5");
    DEFAULTS.put("optimizer.weight-decay", "0");
    DEFAULTS.put("optimizer.warmup-ratio", "0");
    DEFAULTS.put("train.epochs", "3");
  }

  private static void models() {
    sets("--model_name_or_path", "model.path", "a folder: nothing is downloaded");
    sets("--sentence_pooling_method", "model.pooling", Form.POOLING, "");
    sets("--normalize_embeddings", "model.normalize", Form.TRUTH, "");
    always("--normlized", "for False give --normalize_embeddings False --temperature 1.0", "true");
    sets("--unified_finetuning", "model.unified", Form.TRUTH, "");
    sets("--colbert_dim", "model.colbert-dim", Form.WIDTH, "-1 is auto");
    sets("--fix_encoder", "model.fix-encoder", Form.TRUTH, "");
    sets("--fix_position_embedding", "model.fix-position-embedding", Form.TRUTH, "");
    always("--use_fast_tokenizer", "tokenizer.json is what is read", "true");
    always("--trust_remote_code", "no code of a model is executed", "false");
    refused("--config_name", "the model folder's config.json is used; change that");
    refused("--tokenizer_name", "the model folder's tokenizer is used; copy it there");
    refused("--torch_dtype", "parameters are float32; for faster arithmetic set precision");
    refused("--token", "nothing is downloaded; give --model_name_or_path a folder");
    refused("--use_lora", "only encoders are trained, and whole; leave it out");
  }

  private static void data() {
    sets("--train_data", "data.files", Form.PATHS, "files of a folder are sorted by name");
    sets("--query_max_len", "data.query-max-tokens", "");
    sets("--passage_max_len", "data.passage-max-tokens", "");
    sets("--train_group_size", "data.group-size", "");
    sets("--same_dataset_within_batch", "data.same-dataset", Form.TRUTH, "");
    sets("--same_task_within_batch", "data.same-dataset", Form.TRUTH, "the older name");
    sets("--small_threshold", "data.small-threshold", "");
    sets("--drop_threshold", "data.drop-threshold", "");
    sets("--max_example_num_per_dataset", "data.max-rows-per-file", "");
    sets("--shuffle_ratio", "data.shuffle-ratio", "");
    sets("--query_instruction_for_retrieval", "data.query-instruction", "");
    sets("--query_instruction_format", "data.query-template", "");
    sets("--passage_instruction_for_retrieval", "data.passage-instruction", "");
    sets("--passage_instruction_format", "data.passage-template", "");
    refused("--cache_path", "files are read where they lie and nothing is cached; leave it out");
    refused("--cache_dir", "nothing is downloaded or cached; leave it out");
    refused("--data_seed", "order and dropout come from one seed; give --seed");
    always(
        "--dataloader_drop_last",
        "the short last batch is trained on, not dropped; leave it out",
        "false");
    refused("--dataloader_num_workers", "texts are read ahead by threads; leave it out");
    always("--group_by_length", "rows are sorted by length: batch.sort-window", "true");
    always("--remove_unused_columns", "keys that mean nothing are passed over", "true", "false");
  }

  private static void losses() {
    sets("--temperature", "loss.temperature", "");
    sets(DISTILLS, "loss.distillation", Form.TRUTH, "with the kind that --kd_loss_type names");
    sets(DISTILLATION_LOSS, "loss.distillation", "kl_div is kl, m3_kd_loss is m3");
    sets("--use_self_distill", "loss.self-distillation", Form.TRUTH, "");
    sets("--self_distill_start_step", "loss.self-distillation-start-step", "");
    always(
        "--negatives_cross_device",
        "negatives always come from the whole batch, with the exact gradient, whatever workers"
            + " there are; for a device's own give --world_size 1",
        "true",
        "false");
    sets("--use_mrl", "loss.mrl-dims", Form.TRUTH, "with the widths that --mrl_dims names");
    sets("--mrl_dims", "loss.mrl-dims", Form.PATHS, "");
    refused("--label_smoothing_factor", "no loss has it; leave it out");
  }

  private static void batches() {
    TABLE.put(
        BATCH, new Meaning.Factor("batch.size is this times --world_size: the batch is global"));
    TABLE.put(
        WORLD, new Meaning.Factor("default 1; also batch.devices. It says nothing of the workers"));
    sets("--sub_batch_size", "micro-batch.rows", Form.COUNT_OR_NONE, "exact, and saves memory");
    always(
        "--enable_sub_batch",
        "batches always pass the encoder in parts: micro-batch.tokens says how large",
        "true");
    sets("--gradient_checkpointing", "gradient-checkpointing", Form.TRUTH, "");
    sets("--gradient_accumulation_steps", "train.accumulation", "each part has its own negatives");
    sets("--pad_to_multiple_of", "batch.pad-multiple", "");
    sets(FP16, "precision", Form.TRUTH, "fp16; heads and losses stay fp32");
    sets(BF16, "precision", Form.TRUTH, "bf16; heads and losses stay fp32");
    always("--auto_find_batch_size", "the batch is what you say; leave it out", "false");
    refused("--gradient_checkpointing_kwargs", "there is one kind; leave it out");
    refused("--fp16_opt_level", "there is one kind of fp16; leave it out");
    refused("--half_precision_backend", "there is one kind; leave it out");
    refused("--tf32", "it would change what a graphics card computes; leave it out");
    always("--torch_compile", "the model's code is compiled already", "false");
  }

  private static void optimizer() {
    sets("--learning_rate", "optimizer.learning-rate", "");
    sets("--lr_scheduler_type", "optimizer.schedule", Form.SCHEDULE, "");
    sets("--warmup_ratio", "optimizer.warmup-ratio", "");
    sets("--warmup_steps", "optimizer.warmup-steps", "");
    sets("--weight_decay", "optimizer.weight-decay", "not on biases and LayerNorms");
    sets("--adam_beta1", "optimizer.beta1", "");
    sets("--adam_beta2", "optimizer.beta2", "");
    sets("--adam_epsilon", "optimizer.epsilon", "");
    sets("--max_grad_norm", "optimizer.max-gradient-norm", "");
    sets("--num_train_epochs", "train.epochs", "");
    sets("--max_steps", "train.steps", Form.COUNT_OR_NONE, "-1 is 0");
    always("--optim", "the optimiser is AdamW", "adamw_torch", "adamw_torch_fused", "adamw_hf");
    refused(
        "--deepspeed",
        "every worker holds the whole state and optimizer.* says what its file would; note that"
            + " its files mean a logarithmic warmup and decay of all parameters, while flags mean"
            + " a linear warmup and none on biases and LayerNorms. Leave it out");
    refused("--fsdp", "every worker holds the whole state; leave it out");
  }

  private static void outputs() {
    sets("--output_dir", "run.output", "the model is written to model/ in it");
    sets("--overwrite_output_dir", "run.overwrite", Form.TRUTH, "");
    sets("--run_name", "run.name", "");
    sets("--logging_steps", "log.every-steps", "");
    always("--logging_strategy", "it goes by steps: log.every-steps", "steps");
    always(
        "--save_strategy",
        "the model is saved at the end of the run; for checkpoints give --save_steps",
        "no",
        "steps");
    sets(
        "--save_steps",
        "checkpoint.every-steps",
        "a checkpoint, of which dunlin export makes a model");
    sets("--save_total_limit", "checkpoint.keep-last", "");
    always("--save_safetensors", "weights are written as safetensors", "true");
    always("--save_on_each_node", "files lie on the coordinator's machine", "false");
    refused(
        "--resume_from_checkpoint",
        "FlagEmbedding's checkpoints hold no state that gives the same bits; a run of Dunlin's goes on"
            + " with --resume");
    always("--report_to", "metrics are written to the run folder: metrics.jsonl", "none");
    refused("--logging_dir", "logs are in the run folder; give --output_dir");
    always("--do_train", "that is what this command does", "true");
    always("--do_eval", "a run is measured where --eval_steps says so", "true", "false");
    always("--eval_strategy", "for evaluations give --eval_steps", "no", "steps");
    always("--evaluation_strategy", "for evaluations give --eval_steps", "no", "steps");
    sets(
        "--eval_steps",
        "eval.every-steps",
        "with eval.data, or eval.corpus, eval.queries and eval.qrels");
    always("--push_to_hub", "nothing leaves this machine", "false");
    always("--disable_tqdm", "to silence it, send standard error elsewhere", "false");
  }

  private static void processes() {
    TABLE.put(
        PROCESSES,
        new Meaning.Factor("of torchrun: as --world_size; for processes give --workers"));
    TABLE.put(NODES, new Meaning.Factor("of torchrun: multiplies --nproc_per_node"));
    for (String flag : List.of("--node_rank", "--master_addr", "--master_port", "--rdzv_backend")) {
      refused(flag, "processes find each other by themselves; give --workers N, and leave it out");
    }
    for (String flag : List.of("--rdzv_endpoint", "--rdzv_id", "--local_rank", "--ddp_backend")) {
      refused(flag, "processes find each other by themselves; give --workers N, and leave it out");
    }
    always("--standalone", "that is how it starts", "true");
    refused("--ddp_timeout", "a lost process is noticed by its silence; leave it out");
    always("--ddp_find_unused_parameters", "there are none to find", "true", "false");
    always("--use_cpu", "the workers of train compute on processors", "true");
    always("--no_cuda", "the workers of train compute on processors", "true");
  }

  private static void sets(String flag, String key, String note) {
    sets(flag, key, Form.PLAIN, note);
  }

  private static void sets(String flag, String key, Form form, String note) {
    TABLE.put(flag, new Meaning.Sets(key, form, note));
  }

  private static void always(String flag, String why, String... values) {
    TABLE.put(flag, new Meaning.Always(List.of(values), why));
  }

  private static void refused(String flag, String why) {
    TABLE.put(flag, new Meaning.Refused(why));
  }

  /** The documentation's table, in Markdown. */
  static String page() {
    List<String> lines = new ArrayList<>();
    lines.add("| flag | what it means here |");
    lines.add("|---|---|");
    ALL.forEach((flag, meaning) -> lines.add("| `%s` | %s |".formatted(flag, words(meaning))));
    return String.join("\n", lines) + "\n";
  }

  private static String words(Meaning meaning) {
    return switch (meaning) {
      case Meaning.Sets sets ->
          "`" + sets.key() + "`" + (sets.note().isEmpty() ? "" : "; " + sets.note());
      case Meaning.Factor factor -> factor.note();
      case Meaning.Always always ->
          "taken with `%s`: %s".formatted(String.join("`, `", always.values()), always.why());
      case Meaning.Refused refused -> "refused: " + refused.why();
    };
  }
}
