package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import training.lora.api.PromptSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.TokenFiles;
import training.lora.trainer.files.Folders;
import training.lora.trainer.merge.MergedModel;
import training.lora.trainer.merge.Weighted;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.tensor.ComputeDevice;

/** {@code sample}: draws pictures, with a LoRA or without. */
@Command(
        name = "sample",
        mixinStandardHelpOptions = true,
        description =
                "Draws pictures. Its noise is torch's for the seed, so that they compare with diffusers', where XL"
                        + " is given negative_prompt=\"\": without one diffusers takes zeros in place of an empty text's embeddings.")
final class SampleCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(SampleCommand.class);

    @Option(
            names = "--base",
            required = true,
            paramLabel = "URI",
            description =
                    "The base model, as baseModel.uri has it: hf://OWNER/REPOSITORY, https://…, s3://…, a folder, a"
                            + " .safetensors file, or bundled://NAME.")
    private String base = "";

    @Option(
            names = "--lora",
            paramLabel = "FILE[=SHARE]",
            description = "An adapter, by whichever trainer, and how much of it; default 1. May be repeated.")
    private List<String> loras = new ArrayList<>();

    @Option(
            names = "--embedding",
            paramLabel = "FILE",
            description =
                    "Embeddings of new tokens, by whichever trainer, in whose place prompts say the file's name; may be repeated.")
    private List<Path> embeddings = new ArrayList<>();

    @Option(names = "--prompt", required = true, paramLabel = "TEXT", description = "What to draw; may be repeated.")
    private List<String> prompts = new ArrayList<>();

    @Option(
            names = "--negative",
            paramLabel = "TEXT",
            description = "What to steer away from, where --guidance is above 1.",
            defaultValue = "")
    private String negative = "";

    @Option(names = "--seed", paramLabel = "N", description = "Seed of the noise; default 0.", defaultValue = "0")
    private long seed;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Steps of the Euler sampler; default 20.",
            defaultValue = "20")
    private int steps;

    @Option(names = "--guidance", paramLabel = "SCALE", description = "Guidance scale; default 5.", defaultValue = "5")
    private double guidance;

    @Option(names = "--resolution", paramLabel = "PIXELS", description = "Side in pixels; default: the model's own.")
    private @Nullable Integer resolution;

    private final Function<String, @Nullable String> environment;

    @Mixin
    private DeviceOption device = new DeviceOption();

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Where the pictures go.")
    private Path out = Path.of("");

    SampleCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        require(steps >= 1, "`--steps` must be at least 1, was " + steps);
        require(guidance >= 0, "`--guidance` must be at least 0, was " + guidance);
        Folders.requireWritable("--out", out);
        List<Weighted> weighted = Weighted.parse(loras);
        weighted.forEach(Weighted::requireFile);
        embeddings.forEach(TokenFiles::require);
        ComputeDevice chosen = device.choose();
        return new BaseModelPlace(environment).read("--base", base, place -> draw(place, weighted, chosen));
    }

    private int draw(Path place, List<Weighted> weighted, ComputeDevice chosen) throws IOException {
        try (NDManager manager = chosen.newManager();
                StableDiffusion model = StableDiffusion.open(place, manager);
                LoraAdapter adapter = adapter(weighted, model, manager)) {
            int side = resolution == null ? model.resolution() : resolution;
            int grain = model.resolutionStep();
            require(
                    side > 0 && side % grain == 0,
                    "`--resolution` must be a multiple of %d for this model, was %d".formatted(grain, side));
            List<PromptSpec> wanted =
                    prompts.stream().map(p -> new PromptSpec(p, negative, seed)).toList();
            tellOfCutPrompts(model);
            tellOfUnusedEmbeddings();
            tellOfUnusedNegative();
            Set<String> names = new HashSet<>();
            ImageSampler.Sink sink = (i, picture) -> {
                String name = name(prompts.get(i)) + "-" + seed;
                // Prompts that differ in what no file is named after.
                String unique = names.add(name) ? name : name + "-" + (i + 1);
                Path file = out.resolve(unique + ".png");
                picture.write(file);
                System.out.println(file);
            };
            new ImageSampler(model, steps, guidance, side).draw(wanted, adapter, manager, sink, more -> {});
        }
        return 0;
    }

    /** One as it is stands beside the model; of several, or at other shares, the model's weights are changed. */
    private @Nullable LoraAdapter adapter(List<Weighted> weighted, StableDiffusion model, NDManager manager) {
        boolean beside = weighted.size() == 1 && weighted.get(0).share() == 1;
        if (!beside && !weighted.isEmpty()) {
            MergedModel.merge(weighted, model, manager);
        }
        return AdapterFiles.read(beside ? weighted.get(0).file() : null, embeddings, model, manager);
    }

    private boolean guided() {
        return ImageSampler.isGuided(guidance);
    }

    private void tellOfUnusedEmbeddings() {
        for (Path embedding : embeddings) {
            String word = TokenFiles.word(embedding);
            boolean said = prompts.stream().anyMatch(prompt -> WholeWords.in(prompt, word))
                    || guided() && WholeWords.in(negative, word);
            if (!said) {
                LOG.warn(
                        "{} says {}, as --embedding {} is called, which has no effect then",
                        guided() ? "neither `--prompt` nor `--negative`" : "no `--prompt`",
                        word,
                        embedding);
            }
        }
    }

    private void tellOfUnusedNegative() {
        if (!negative.isEmpty() && !guided()) {
            LOG.warn("`--negative` has no effect where `--guidance` is at most 1, was {}", guidance);
        }
    }

    private void tellOfCutPrompts(StableDiffusion model) {
        for (String prompt : prompts) {
            if (model.prompts().cuts(prompt)) {
                LOG.warn("the prompt is longer than the text encoder reads, and loses its end: {}", prompt);
            }
        }
        if (guided() && model.prompts().cuts(negative)) {
            LOG.warn("the negative prompt is longer than the text encoder reads, and loses its end: {}", negative);
        }
    }

    private static void require(boolean holds, String sentence) {
        if (!holds) {
            throw new TrainerException(Reason.Usage, sentence);
        }
    }

    private static String name(String prompt) {
        String safe = prompt.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
        String words = safe.substring(0, Math.min(60, safe.length())).replaceAll("^-|-$", "");
        return words.isEmpty() ? "picture" : words;
    }
}
