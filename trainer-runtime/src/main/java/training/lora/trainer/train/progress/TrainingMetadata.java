package training.lora.trainer.train.progress;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.RunSpec;
import training.lora.api.SamplingSpec;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.api.Uris;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.export.ComfyWorkflow;
import training.lora.trainer.export.ComfyWorkflowBuilder;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportMetadataBuilder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.trained.SamplePictures;

/** What the adapter's files say of the training, in the keys that kohya's trainer writes. */
public final class TrainingMetadata {
    /** Tags that are written; more make a header that UIs are slow to list. */
    private static final int TAGS = 500;

    private static final String SAFETENSORS = ".safetensors";

    private TrainingMetadata() {}

    public static ExportMetadata of(
            RunSpec run, RunLength length, Path baseModel, StableDiffusion model, PreparedDataset data) {
        return ExportMetadata.of(run.owner().name(), String.valueOf(baseModel.getFileName()), model, data.resolution())
                .withTrigger(trigger(run))
                .with(training(run.spec().training(), data))
                .with(length(run.spec().training(), length))
                .with(counts(run, data));
    }

    /** The same of new tokens that are trained beside what {@code metadata} is of, or alone. */
    static ExportMetadata ofTokens(ExportMetadata metadata, TrainingSpec spec) {
        return ExportMetadataBuilder.builder(metadata)
                .training(OptimizerMetadata.ofTokens(metadata.training(), spec))
                .build();
    }

    /** Draws the first of the run's prompts as the run itself does. */
    public static ComfyWorkflow workflow(
            RunSpec run, ExportMetadata metadata, PreparedDataset data, Schedule schedule) {
        SamplingSpec sampling = run.spec().sampling();
        TrainingSpec training = run.spec().training();
        return ComfyWorkflowBuilder.builder()
                .baseModel(metadata.baseModel())
                .name(run.owner().name())
                .baseAdapters(run.spec().baseModel().merged().stream()
                        .map(adapter -> new ComfyWorkflow.BaseAdapter(file(adapter.uri()), adapter.share()))
                        .toList())
                .embeddings(
                        training.tokens().any()
                                ? Concepts.of(run.spec().datasets()).triggers()
                                : List.of())
                .prompt(SamplePictures.prompts(run.spec(), data).get(0))
                .steps(sampling.steps())
                .guidance(sampling.guidance())
                .strength(sampling.adapterStrength())
                .resolution(sampling.side(data.resolution()))
                .schedule(schedule)
                .lora(training.method() == TrainingMethod.TextualInversion ? null : Publisher.kohyaName(run))
                .build();
    }

    /** What a file is called that {@code uri} names, or the repository that holds it. */
    static String file(String uri) {
        String path = Uris.shown(uri).replaceFirst("^(hf://[^/]+/[^/@]+)@[^/]*$", "$1");
        String last = path.substring(path.lastIndexOf('/') + 1);
        return last.endsWith(SAFETENSORS) ? last : last + SAFETENSORS;
    }

    private static @Nullable String trigger(RunSpec run) {
        List<String> phrases =
                new ArrayList<>(Concepts.of(run.spec().datasets()).triggers());
        phrases.add(0, run.spec().preparation().captions().prefix().replaceAll("[\\s,]+$", ""));
        phrases.remove("");
        return phrases.isEmpty() ? null : String.join(", ", phrases);
    }

    /** Pictures, each counted as often as it is repeated. */
    private static Map<String, String> counts(RunSpec run, PreparedDataset data) {
        return Map.of(
                "ss_num_train_images", count(run, data, DatasetRole.Train),
                "ss_num_reg_images", count(run, data, DatasetRole.Regularization));
    }

    private static String count(RunSpec run, PreparedDataset data, DatasetRole role) {
        return Integer.toString(data.manifest().samples().stream()
                .filter(sample -> sample.role() == role)
                .mapToInt(sample ->
                        SampleOrder.settings(sample, run.spec().datasets()).repeats())
                .sum());
    }

    private static Map<String, String> training(TrainingSpec spec, PreparedDataset data) {
        Map<String, String> meta = new TreeMap<>();
        meta.putAll(OptimizerMetadata.of(spec));
        meta.putAll(OptimizerMetadata.ofLoss(spec.loss()));
        Double norm = spec.optimizer().maxGradientNorm();
        // As kohya's trainer writes that there is none.
        meta.put("ss_max_grad_norm", norm == null ? "0.0" : norm.toString());
        meta.put("ss_caption_dropout_rate", spec.captions().dropout().toString());
        meta.put("ss_shuffle_caption", spec.captions().shuffle() ? "True" : "False");
        meta.put("ss_keep_tokens", spec.captions().keepTokens().toString());
        meta.put("ss_caption_tag_dropout_rate", spec.captions().tagDropout().toString());
        meta.put("ss_seed", spec.seed().toString());
        meta.put("ss_tag_frequency", json(tags(data)));
        return meta;
    }

    private static Map<String, String> length(TrainingSpec spec, RunLength length) {
        return Map.of(
                "ss_max_train_steps",
                Integer.toString(length.steps()),
                "ss_num_epochs",
                Long.toString(length.epochs(length.steps())),
                "ss_num_batches_per_epoch",
                Long.toString(length.epochBatches()),
                "ss_batch_size_per_device",
                spec.batchSize().toString(),
                "ss_gradient_accumulation_steps",
                spec.gradientAccumulation().toString(),
                "ss_total_batch_size",
                Integer.toString(spec.batchSize() * spec.gradientAccumulation()));
    }

    /** What a checkpoint's files say of how far the training was. */
    static Map<String, String> position(int step, RunLength length) {
        return Map.of("ss_steps", Integer.toString(step), "ss_epoch", Long.toString(length.epochs(step)));
    }

    /** Tags of each data set that is learned from, by its name. */
    private static Map<String, Map<String, Long>> tags(PreparedDataset data) {
        Map<String, List<String>> captions = data.manifest().samples().stream()
                .filter(s -> s.role() == DatasetRole.Train)
                .collect(Collectors.groupingBy(
                        Sample::dataset, TreeMap::new, Collectors.mapping(Sample::caption, Collectors.toList())));
        Map<String, Map<String, Long>> tags = new TreeMap<>();
        captions.forEach((dataset, all) -> tags.put(dataset, tags(all)));
        return tags;
    }

    /** How many captions have each of their comma-separated parts, the most frequent first. */
    static Map<String, Long> tags(List<String> captions) {
        Map<String, Long> counts = captions.stream()
                .flatMap(caption -> List.of(caption.split(",")).stream())
                .map(String::strip)
                .filter(tag -> !tag.isEmpty())
                .collect(Collectors.groupingBy(tag -> tag, TreeMap::new, Collectors.counting()));
        Map<String, Long> most = new LinkedHashMap<>();
        counts.entrySet().stream()
                .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                .limit(TAGS)
                .forEach(tag -> most.put(tag.getKey(), tag.getValue()));
        return most;
    }

    private static String json(Object value) {
        try {
            return Json.MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
