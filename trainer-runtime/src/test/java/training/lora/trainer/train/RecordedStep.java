package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.AdapterType;
import training.lora.api.Precision;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.CardScripts;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.StepRecorder;
import training.lora.trainer.tensor.StepRecording;
import training.lora.trainer.train.batch.BatchBuilder;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.optimizer.LearningRates;

/**
 * Records a step as a card would compute it: what {@link StepBenchmark} times, LoRA on attention, batch 1, AdamW, a cached
 * latent and an embedded text.
 *
 * @param side of the latents
 */
record RecordedStep(String name, UNetConfig config, Precision precision, int side, int rank) {
    private static final int TIMESTEP = 601;

    /**
     * Builds network and adapter in {@code manager} and records their first step.
     *
     * @param withValues whether values are recorded; the manager's device must have them
     */
    StepRecording record(NDManager manager, boolean withValues) {
        try (CardScripts scripts = CardScripts.begin();
                UNet unet = UNet.random(config, precision, 0, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(), StepBenchmark.settings(AdapterType.LoRA, rank), 0, unet::weight, manager);
                LoraStep step = new LoraStep(
                        new Networks(unet, null),
                        adapter,
                        StepBenchmark.schedule(),
                        StepBenchmark.training("", ""),
                        manager)) {
            if (withValues) {
                // A new LoRA's B is zero, and with it the gradient of A.
                NDArray parameters = adapter.parameters();
                parameters.addi(
                        Randomness.normal(manager, 5, parameters.getShape()).mul(0.05));
            }
            Shape shape = new Shape(1, config.channels(), side, side);
            NDArray latents = Randomness.normal(manager, 1, shape);
            NDArray noise = Randomness.normal(manager, 4, shape);
            Conditioning told = StepBenchmark.conditioning(config, shape, manager);
            try (StepRecorder recorder = StepRecorder.begin(withValues)) {
                for (Parameter weight : unet.parameters().all()) {
                    recorder.outer(StepRecording.Kind.Weight, weight.name(), weight.array());
                }
                states(step, adapter, latents, noise, told)
                        .forEach((state, array) -> recorder.outer(StepRecording.Kind.State, state, array));
                step.train(
                        BatchSource.of(index -> 1, (index, scope) -> BatchBuilder.builder()
                                .latents(latents)
                                .noise(noise)
                                .inputNoise(noise)
                                .timesteps(new int[] {TIMESTEP})
                                .told(new Told.Embedded(told))
                                .weights(new float[] {1})
                                .build()),
                        0,
                        new LearningRates(step.optimizers().tables(), 1).at(0, 1));
                return recorder.recording(about(adapter));
            }
        }
    }

    private static Map<String, NDArray> states(
            LoraStep step, LoraAdapter adapter, NDArray latents, NDArray noise, Conditioning told) {
        Map<String, NDArray> states = new LinkedHashMap<>(step.optimizers().state());
        states.put("gradient", adapter.gradient());
        states.put("log", step.log().log);
        states.put("lossSum", step.log().lossSum);
        states.put("latents", latents);
        states.put("noise", noise);
        states.put("context", told.context());
        if (told.pooled() != null) {
            states.put("pooled", told.pooled());
            states.put("timeIds", told.timeIds());
        }
        return states;
    }

    /** What is known of it beside the calls: the network's description, and where the adapter's parts lie. */
    private Map<String, Object> about(LoraAdapter adapter) {
        List<Map<String, Object>> parts = new ArrayList<>();
        for (AdaptedProjection p : adapter.projections()) {
            for (AdapterPart part : p.kind().parts()) {
                parts.add(Map.of(
                        "path",
                        p.projection().path(),
                        "part",
                        part.name(),
                        "offset",
                        p.offset(part),
                        "shape",
                        p.kind().shape(part, p.projection()).getShape()));
            }
        }
        Map<String, Object> about = new LinkedHashMap<>();
        about.put("name", name);
        about.put("precision", precision.name());
        about.put("side", side);
        about.put("rank", rank);
        about.put("timestep", TIMESTEP);
        about.put("config", config);
        about.put("adapter", parts);
        return about;
    }
}
