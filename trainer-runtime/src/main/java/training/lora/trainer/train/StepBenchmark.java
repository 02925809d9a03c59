package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterType;
import training.lora.api.BaseWeights;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.api.ProcessLocale;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.run.ProcessMemory;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.batch.BatchBuilder;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.optimizer.LearningRates;
import training.lora.trainer.train.optimizer.ParameterTable;

/**
 * Times the training step at the full architecture of Stable Diffusion 1.5 or XL with random weights: LoRA of rank 16 on
 * attention, batch 1, cached latents and text embeddings, AdamW. {@code benchmarks/step/run} starts it beside
 * diffusers and peft. Prints one line of JSON; {@code --profile} also writes the last step's operations as a Chrome trace.
 */
public final class StepBenchmark {
    private static final int TOKENS = 77;
    private static final int PIXELS_A_LATENT = 8;

    private StepBenchmark() {}

    /** {@code [--model sd15|sdxl] [--dtype fp32|bf16] [--res 512|512,448x576] [--steps 6] [--threads 2] [--device cpu] [--rank 16] [--adapter lora|dora|loha|lokr|none] [--checkpointing false|true] [--weights full|int8|fp8] [--profile FILE]}. */
    public static void main(String[] args) throws Exception {
        ProcessLocale.makeNeutral();
        Map<String, String> options = options(args);
        Precision precision =
                switch (option(options, "dtype")) {
                    case "fp32" -> Precision.Float32;
                    case "bf16" -> Precision.BFloat16;
                    default ->
                        throw new IllegalArgumentException("--dtype must be fp32 or bf16, was " + options.get("dtype"));
                };
        UNetConfig config =
                switch (option(options, "model")) {
                    case "sd15" -> UNetConfig.SD15;
                    case "sdxl" -> UNetConfig.SDXL;
                    default ->
                        throw new IllegalArgumentException("--model must be sd15 or sdxl, was " + options.get("model"));
                };
        int threads = number(options, "threads");
        int rank = number(options, "rank");
        @Nullable AdapterType type =
                switch (option(options, "adapter")) {
                    case "none" -> null;
                    case "lora" -> AdapterType.LoRA;
                    case "dora" -> AdapterType.DoRA;
                    case "loha" -> AdapterType.LoHa;
                    case "lokr" -> AdapterType.LoKr;
                    default ->
                        throw new IllegalArgumentException(
                                "--adapter must be none, lora, dora, loha or lokr, was " + options.get("adapter"));
                };
        Keep keep =
                switch (option(options, "checkpointing")) {
                    case "false" -> Keep.LayerStates;
                    case "true" -> Keep.BlockInputs;
                    default ->
                        throw new IllegalArgumentException(
                                "--checkpointing must be false or true, was " + options.get("checkpointing"));
                };
        BaseWeights form =
                switch (option(options, "weights")) {
                    case "full" -> BaseWeights.Full;
                    case "int8" -> BaseWeights.Int8;
                    case "fp8" -> BaseWeights.Fp8;
                    default ->
                        throw new IllegalArgumentException(
                                "--weights must be full, int8 or fp8, was " + options.get("weights"));
                };
        // Read once, when the engine starts.
        System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
        ComputeDevice device = ComputeDevice.choose(option(options, "device"));
        double[] seconds = new double[number(options, "steps")];
        long parameters;
        try (NDManager run = device.newManager();
                UNet unet = UNet.random(config, precision, form, 0, run);
                Timed timed = type == null
                        ? ofWeights(unet, run)
                        : ofAdapter(new Networks(unet, null, keep), settings(type, rank), run)) {
            TrainingStep step = timed.step();
            parameters = timed.parameters();
            options.put("computed", unet.precision().toString());
            List<Shape> shapes = shapes(option(options, "res"), unet.config().channels());
            List<NDArray> latents = shapes.stream()
                    .map(shape -> Randomness.normal(run, 1, shape))
                    .toList();
            List<Conditioning> told = shapes.stream()
                    .map(shape -> conditioning(config, shape, run))
                    .toList();
            for (int k = 0; k < seconds.length; k++) {
                boolean profiled =
                        k == seconds.length - 1 && !option(options, "profile").isEmpty();
                if (profiled) {
                    JniUtils.startProfile(false, true, false);
                }
                long begin = System.nanoTime();
                step.train(
                        BatchSource.of(index -> 1, (index, scope) -> {
                            int turn = (int) (index % shapes.size());
                            NDArray x = latents.get(turn).duplicate();
                            x.attach(scope);
                            NDArray noise =
                                    Randomness.normal(scope, Randomness.derive(0, index, "noise"), shapes.get(turn));
                            int[] timesteps = {
                                Randomness.generator(0, index, "timestep").nextInt(1000)
                            };
                            return BatchBuilder.builder()
                                    .latents(x)
                                    .noise(noise)
                                    .inputNoise(noise)
                                    .timesteps(timesteps)
                                    .told(new Told.Embedded(told.get(turn)))
                                    .weights(new float[] {1})
                                    .build();
                        }),
                        k,
                        new LearningRates(timed.tables(), seconds.length).at(k, 1));
                double loss = step.log().drain().get(0).loss();
                if (!Double.isFinite(loss)) {
                    throw new IllegalStateException("the loss must be finite, was " + loss);
                }
                seconds[k] = (System.nanoTime() - begin) / 1e9;
                if (profiled) {
                    JniUtils.stopProfile(option(options, "profile"));
                }
            }
        }
        print(options, device, seconds, parameters);
    }

    /** Latents of one picture of each size that is listed, such as 512,448x576; they take turns. */
    private static List<Shape> shapes(String sizes, int channels) {
        return Arrays.stream(sizes.split(","))
                .map(size -> size.contains("x") ? size.split("x") : new String[] {size, size})
                .map(size -> new Shape(1, channels, latents(size[1]), latents(size[0])))
                .toList();
    }

    private static long latents(String pixels) {
        return Long.parseLong(pixels) / PIXELS_A_LATENT;
    }

    static Conditioning conditioning(UNetConfig config, Shape latents, NDManager run) {
        NDArray text = Randomness.normal(run, 2, new Shape(1, TOKENS, config.contextWidth()));
        UNetConfig.Addition addition = config.addition();
        if (addition == null) {
            return Conditioning.of(text);
        }
        NDArray pooled = Randomness.normal(run, 3, new Shape(1, addition.pooledWidth()));
        float height = latents.get(2) * PIXELS_A_LATENT;
        float width = latents.get(3) * PIXELS_A_LATENT;
        float[] sizes = {height, width, 0, 0, height, width};
        return new Conditioning(text, pooled, run.create(sizes, new Shape(1, sizes.length)));
    }

    static LoraSettings settings(AdapterType type, int rank) {
        return new LoraSettings(type, rank, rank, false, 0, List.of("Attention"), List.of());
    }

    /**
     * What is timed.
     *
     * @param parameters how many numbers it trains
     */
    private record Timed(TrainingStep step, List<ParameterTable> tables, long parameters) implements AutoCloseable {
        @Override
        public void close() {
            step.close();
        }
    }

    private static Timed ofAdapter(Networks networks, LoraSettings settings, NDManager run) {
        UNet unet = networks.unet();
        LoraAdapter adapter = LoraAdapter.create(unet.projections(), settings, 0, unet::weight, run);
        LoraStep step = new LoraStep(networks, adapter, schedule(), training("", ""), run);
        return new Timed(step, step.optimizers().tables(), adapter.parameters().size());
    }

    /** All weights, by Adafactor, with stochastic rounding where they are in bf16. */
    private static Timed ofWeights(UNet unet, NDManager run) {
        TrainingSpec training = training("method: FullFineTuning, ", "type: Adafactor, learningRate: 1e-5, ");
        FullStep step = new FullStep(unet, null, schedule(), training, run);
        return new Timed(step, step.optimizer().tables(), step.optimizer().size());
    }

    static NoiseSchedule schedule() {
        return NoiseSchedule.of(
                new Schedule(1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, Schedule.Spacing.Leading, 1));
    }

    static TrainingSpec training(String fields, String optimizer) {
        try {
            return Json.STRICT_YAML.readValue(
                    "{%sloss: {weighting: Uniform}, optimizer: {%sschedule: {type: Constant}}}"
                            .formatted(fields, optimizer),
                    TrainingSpec.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, String> options(String[] args) {
        Map<String, String> options = new TreeMap<>(Map.of(
                "model", "sd15", "dtype", "fp32", "res", "512", "steps", "6", "threads", "2", "device", "cpu", "rank",
                "16", "adapter", "lora", "profile", ""));
        options.putAll(Map.of("checkpointing", "false", "weights", "full"));
        for (int i = 0; i < args.length; i += 2) {
            String name = args[i].replaceFirst("^--", "");
            if (!options.containsKey(name) || i + 1 == args.length) {
                throw new IllegalArgumentException(
                        "arguments must be --model, --dtype, --res, --steps, --threads, --device, --rank, --adapter, --checkpointing, --weights or --profile, each with a value, was "
                                + args[i]);
            }
            options.put(name, args[i + 1]);
        }
        return options;
    }

    private static String option(Map<String, String> options, String name) {
        return Objects.requireNonNull(options.get(name), name);
    }

    private static int number(Map<String, String> options, String name) {
        return Integer.parseInt(option(options, name));
    }

    private static void print(Map<String, String> options, ComputeDevice device, double[] seconds, long parameters)
            throws Exception {
        // The first step allocates.
        double[] counted = Arrays.copyOfRange(seconds, Math.min(1, seconds.length - 1), seconds.length);
        Arrays.sort(counted);
        int middle = counted.length / 2;
        double median = counted.length % 2 == 1 ? counted[middle] : (counted[middle - 1] + counted[middle]) / 2;
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("program", "lora-trainer");
        line.putAll(options);
        line.put("device", device.name());
        line.put("step_s", round(median));
        List<Double> all = new ArrayList<>();
        for (double s : seconds) {
            all.add(round(s));
        }
        line.put("all", all);
        line.put("lora_params", parameters);
        line.put("peak_rss_mib", ProcessMemory.peakResidentBytes() >> 20);
        System.out.println(Json.MAPPER.writeValueAsString(line));
    }

    private static double round(double seconds) {
        return Math.rint(seconds * 1000) / 1000;
    }
}
