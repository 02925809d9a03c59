package training.lora.trainer.train;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import training.lora.api.BaseWeights;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Precision;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.train.batch.KnownTexts;

/**
 * How much memory of the host the Train stage of an adapter takes at most on the CPU, in bytes, from the shapes of its parts
 * alone. Models of an evaluation beside it are not counted.
 *
 * @param process the virtual machine, its heap and the engine
 * @param data latents and text embeddings
 * @param denoiser its weights
 * @param textEncoders those that stay while it trains, with what their passes keep
 * @param textsBefore text encoders that are let go before the denoiser is read
 * @param adapter what is trained, its gradient and the optimizer's state
 * @param activations what a pass keeps for its way back
 * @param work what the largest layer works on
 * @param pictures autoencoder and activations while pictures are drawn; nothing of a step is there then
 */
public record MemoryEstimate(
        long process,
        long data,
        long denoiser,
        long textEncoders,
        long textsBefore,
        long adapter,
        long activations,
        long work,
        long pictures) {
    private static final long MIB = 1 << 20;

    /**
     * What was measured beyond all else, on models of two sizes (benchmarks/step/RESULTS.md), with a Java heap of 512 MiB at
     * most and one arena of glibc.
     */
    private static final long PROCESS = 680 * MIB;

    /** Gaps of the engine's heap, a share of what is allocated. */
    private static final double GAPS = 1.12;

    /** What passes keep beside what is counted, and gaps between it. */
    private static final double BESIDE_ACTIVATIONS = 1.2;

    /** Tiles of attention and feed-forwards, and what the engine's convolutions lay out anew. */
    private static final long LEAST_WORK = 48 * MIB;

    private static final int TOKENS_OF_A_CHUNK = 77;
    private static final int SINGLE = 4;

    /**
     * What the data is like.
     *
     * @param pictures how many there are
     * @param latents h w of the largest one
     * @param embedsTexts whether texts are embedded at every step though no text encoder is trained
     */
    public record Data(int pictures, long latents, boolean embedsTexts) {}

    /** At most, with the part that counts of those that are not there together. */
    public long total() {
        long allocated = data
                + Math.max(textsBefore, denoiser + textEncoders + adapter + Math.max(activations + work, pictures));
        return process + Math.round(allocated * GAPS);
    }

    /** The parts in words, the greatest of them first. */
    public String parts() {
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("process", process);
        parts.put("data", data);
        parts.put("denoiser", denoiser);
        parts.put("text encoders", textEncoders);
        parts.put("adapter and optimizer", adapter);
        parts.put(activations + work >= pictures ? "activations" : "pictures", Math.max(activations + work, pictures));
        return parts.entrySet().stream()
                .filter(e -> e.getValue() >= MIB)
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .map(e -> "%s %d MiB".formatted(e.getKey(), mebibytes(e.getValue())))
                .collect(Collectors.joining(", "));
    }

    /** Rounded up. */
    static long mebibytes(long bytes) {
        return (bytes + MIB - 1) / MIB;
    }

    /**
     * Estimates a training of an adapter, tokens or both.
     *
     * @param model of which nothing needs to be read
     * @param keep what a pass keeps
     * @param form how frozen weights are kept
     */
    public static MemoryEstimate of(
            LoraTrainingSpec spec, StableDiffusion model, Data data, Keep keep, BaseWeights form) {
        TrainingSpec training = spec.training();
        try (NDManager scope = ComputeDevice.CPU.newManager();
                UNet unet = model.outline(scope)) {
            List<Projection> texts = training.adaptsText() ? model.textProjections() : List.of();
            List<AdaptedProjection> adapted = adapted(spec, unet.projections(), texts);
            long tokens =
                    TOKENS_OF_A_CHUNK * (long) Math.ceil(training.captions().maxTokens() / (double) ModelOptions.CHUNK);
            Numbers numbers = Numbers.of(training.precision(), form, Device.cpu());
            long number = bytes(numbers.computed());
            ActivationSizes sizes =
                    new ActivationSizes(unet.config(), adapted, training.batchSize(), data.latents(), tokens);
            long largest = largest(unet.parameters().all());
            long remade = numbers.remakes() ? 2 * largest * number : 0;
            long made = ActivationSizes.makesWeights(training.adapter().type()) ? 4 * largest * SINGLE : 0;
            long context = tokens * unet.config().contextWidth() * SINGLE;
            return new MemoryEstimate(
                    PROCESS,
                    data.pictures() * (8 * data.latents() * SINGLE + 2 * context),
                    bytes(unet.parameters().all(), numbers),
                    staying(training, model, texts, data, tokens, numbers),
                    embedsBefore(spec) ? bytes(model.textParameters(), Numbers.SINGLE) : 0,
                    adapted.stream().mapToLong(AdaptedProjection::size).sum() * SINGLE * arrays(training)
                            + ofKeyLock(training, unet.config().contextWidth()),
                    Math.round((keep == Keep.BlockInputs ? sizes.ofBlocks() : sizes.ofLayers())
                            * number
                            * BESIDE_ACTIVATIONS),
                    sizes.work() * number + remade + made + LEAST_WORK,
                    spec.sampling().enabled() ? drawing(spec, model, sizes.work() * number, data) + remade : 0);
        }
    }

    /** Whether texts are embedded before the denoiser is read. */
    private static boolean embedsBefore(LoraTrainingSpec spec) {
        return spec.sampling().enabled() || !KnownTexts.texts(spec).isEmpty();
    }

    private static List<AdaptedProjection> adapted(
            LoraTrainingSpec spec, List<Projection> unet, List<Projection> texts) {
        TrainingSpec training = spec.training();
        if (training.method() == TrainingMethod.TextualInversion) {
            return List.of();
        }
        List<Projection> all = new ArrayList<>(unet);
        if (training.adapter().textEncoder()) {
            all.addAll(texts);
        }
        return LoraAdapter.plan(all, LoraSettings.of(spec), Map.of());
    }

    /** Its inverse of a covariance (D, D), fp32, with D the {@code width} of what text encoders make of texts. */
    private static long ofKeyLock(TrainingSpec training, long width) {
        return training.tokens().locksKeys() ? width * width * SINGLE : 0;
    }

    private static long bytes(Precision precision) {
        return precision == Precision.BFloat16 ? 2 : SINGLE;
    }

    private static long largest(List<Parameter> parameters) {
        return parameters.stream().mapToLong(Parameter::size).max().orElse(0);
    }

    private static long bytes(List<Parameter> parameters, Numbers numbers) {
        return parameters.stream().mapToLong(p -> p.size() * bytes(p, numbers)).sum();
    }

    /** Of one number of a weight. */
    private static long bytes(Parameter parameter, Numbers numbers) {
        if (parameter.shape().length == 1) {
            return SINGLE;
        }
        if (parameter.name().contains("embeddings")) {
            return bytes(numbers.computed());
        }
        return numbers.form() == BaseWeights.Full ? bytes(numbers.kept()) : 1;
    }

    /** Text encoders that are there at each step: trained ones, or such as embed captions that vary. */
    private static long staying(
            TrainingSpec training,
            StableDiffusion model,
            List<Projection> texts,
            Data data,
            long tokens,
            Numbers numbers) {
        if (!training.adaptsText()) {
            return data.embedsTexts() ? bytes(model.textParameters(), Numbers.SINGLE) : 0;
        }
        // Of a layer: norm, queries, keys, values, the attended, and two results.
        long kept = texts.stream()
                .filter(p -> p.component() != Component.UNet && p.path().endsWith("q_proj"))
                .mapToLong(p -> 7 * p.out() * tokens * training.batchSize())
                .sum();
        return bytes(model.textParameters(), numbers) + kept * bytes(numbers.computed());
    }

    /** Arrays as large as what is trained: itself, its gradient and the optimizer's. */
    private static long arrays(TrainingSpec training) {
        long states =
                switch (training.optimizer().type()) {
                    case Adafactor, AdamW8bit, Lion -> 1;
                    case AdamW, CAME -> 2;
                    case ScheduleFreeAdamW -> 3;
                    case Prodigy -> 4;
                    case ProdigyScheduleFree -> 5;
                };
        return 2 + states + (training.ema() == null ? 0 : 1);
    }

    /** Autoencoder and either its last level's activations, or the denoiser's without a way back, with guidance. */
    private static long drawing(LoraTrainingSpec spec, StableDiffusion model, long work, Data data) {
        long side = spec.sampling().side((int) Math.round(Math.sqrt(data.latents()) * model.factor())) / model.factor();
        long atOnce = ImageSampler.atOnce(side);
        long share = Math.max(1, 2 * atOnce * side * side / Math.max(1, data.latents()));
        return bytes(model.autoencoderParameters(), Numbers.SINGLE)
                + Math.max(model.decodingNumbers(atOnce * side * side) * SINGLE, share * work)
                + LEAST_WORK;
    }
}
