package training.lora.trainer.model.unet;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.model.layer.AttentionScores;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.PassBuilder;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.TorchScript;

/**
 * The denoiser, UNet2DConditionModel of diffusers. B pictures, C latent channels, h x w latents, S text tokens of width
 * D.
 */
public final class UNet implements AutoCloseable {
    /** To the network's type, channels last. */
    private static final TorchScript ENTER =
            TorchScript.compile("x, like", "return torch.contiguous(torch.type_as(x, like), memory_format=2)");

    private static final TorchScript LIKE = TorchScript.compile("x, like", "return torch.type_as(x, like)");

    private static final TorchScript LEAVE =
            TorchScript.compile("y", "return torch.contiguous(torch.to(y, 6), memory_format=0)");

    private final UNetConfig config;
    private final NDManager manager;
    private final ParameterSet parameters;
    private final List<Projection> projections;
    private final Weights.Kernel embedTime;
    private final @Nullable AddedEmbedding embedAddition;
    private final Chain chain;

    private UNet(UNetConfig config, Numbers numbers, Set<String> onHost, NDManager manager) {
        this.config = config;
        this.parameters = new ParameterSet(numbers, true, manager.getDevice(), onHost);
        this.manager = manager;
        int first = config.widths().get(0);
        long time = 4L * first;
        Weights weights = new Weights()
                .add("i", parameters.withBias("time_embedding.linear_1", time, first))
                .add("o", parameters.withBias("time_embedding.linear_2", time, time));
        embedTime = weights.kernel(
                List.of("t"),
                Snippets.waves("t", first) + "s = torch.type_as(w, iw)",
                List.of("torch.linear(torch.silu(torch.linear(s, iw, ib)), ow, ob)"));
        embedAddition = config.addition() == null ? null : new AddedEmbedding(parameters, config.addition(), time);
        List<Chain.Step> steps = UNetSteps.of(config, parameters, time);
        chain = new Chain(steps);
        projections =
                steps.stream().flatMap(s -> s.layer().projections().stream()).toList();
    }

    /**
     * Reads its description and its weights.
     *
     * @param precision of weights and activations, as {@link Numbers#of}; what goes in and comes out is fp32
     */
    public static UNet open(PartSource source, Precision precision, NDManager parent) {
        return open(source, precision, BaseWeights.Full, parent);
    }

    /** @param form how weights of linear maps and convolutions are kept */
    public static UNet open(PartSource source, Precision precision, BaseWeights form, NDManager parent) {
        return open(source, precision, form, 0, parent);
    }

    /** @param onHost share of those weights that stay in the host's memory, as {@link ParameterSet#fromTheEnd} */
    public static UNet open(PartSource source, Precision precision, BaseWeights form, double onHost, NDManager parent) {
        return open(source, Numbers.of(precision, form, parent.getDevice()), onHost, parent);
    }

    /** The same, computed as {@code numbers} say whatever the device is. */
    public static UNet open(PartSource source, Numbers numbers, double onHost, NDManager parent) {
        UNet unet = of(UNetConfig.of(source.config()), numbers, onHost, parent);
        source.load(unet.parameters, unet.manager);
        return unet;
    }

    private static UNet of(UNetConfig config, Numbers numbers, double onHost, NDManager parent) {
        NDManager manager = parent.newSubManager();
        UNet unet = new UNet(config, numbers, Set.of(), manager);
        return onHost == 0 ? unet : new UNet(config, numbers, unet.parameters.fromTheEnd(onHost), manager);
    }

    /** Without weights, to ask what it is made of; {@code source} describes it and must hold them. */
    public static UNet outline(PartSource source, NDManager parent) {
        UNet unet = of(UNetConfig.of(source.config()), Numbers.SINGLE, 0, parent);
        source.check(unet.parameters);
        return unet;
    }

    /** With weights at random, all in fp32, for tests and benchmarks. */
    public static UNet random(UNetConfig config, long seed, NDManager parent) {
        return random(config, Precision.Float32, seed, parent);
    }

    /** The same in {@code precision}. */
    public static UNet random(UNetConfig config, Precision precision, long seed, NDManager parent) {
        return random(config, precision, BaseWeights.Full, seed, parent);
    }

    /** @param form how weights of linear maps and convolutions are kept */
    public static UNet random(UNetConfig config, Precision precision, BaseWeights form, long seed, NDManager parent) {
        return random(config, precision, form, 0, seed, parent);
    }

    /** @param onHost share of those weights that stay in the host's memory */
    public static UNet random(
            UNetConfig config, Precision precision, BaseWeights form, double onHost, long seed, NDManager parent) {
        return random(config, Numbers.of(precision, form, parent.getDevice()), onHost, seed, parent);
    }

    /** The same, computed as {@code numbers} say whatever the device is. */
    public static UNet random(UNetConfig config, Numbers numbers, double onHost, long seed, NDManager parent) {
        UNet unet = of(config, numbers, onHost, parent);
        unet.parameters.random(seed, unet.manager);
        return unet;
    }

    /** Its description. */
    public UNetConfig config() {
        return config;
    }

    /** That its layers compute in. */
    public Precision precision() {
        return parameters.precision();
    }

    /** The frozen weight of one of {@link #projections}, as {@link FrozenWeights#of}. */
    public NDArray weight(Projection projection, NDManager scope) {
        return parameters.values(projection.modulePath() + ".weight", scope);
    }

    /** Its frozen weights. */
    public ParameterSet parameters() {
        return parameters;
    }

    /** The maps that an adapter can stand beside, in the order of the network's construction. */
    public List<Projection> projections() {
        return projections;
    }

    /**
     * Predicts the noise. What it makes belongs to {@code sample}'s manager.
     *
     * @param sample noisy latents (B, C, h, w); h and w must be divisible by 2 to the number of levels less one
     * @param timesteps (B), fp32
     * @param told text embedding of width D and what else the network takes
     * @return (B, C, h, w)
     */
    public NDArray forward(NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas) {
        Pass pass = pass(sample.getManager(), timesteps, told, deltas, Keep.LayerStates);
        return leave(pass, chain.forward(pass, enter(pass, sample)));
    }

    /**
     * Predicts the noise and keeps what a backward pass needs: {@link #forward} for training. The deltas must have
     * gradients to add to.
     */
    public Recording record(NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas) {
        return record(sample, timesteps, told, deltas, Keep.LayerStates);
    }

    /** @param keep what of the pass is kept */
    public Recording record(NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas, Keep keep) {
        Pass pass = pass(sample.getManager(), timesteps, told, deltas, keep);
        return new Recording(pass, told, chain.record(pass, enter(pass, sample), false));
    }

    /** @param whole whether {@link Recording#backward} should go down to the sample */
    public Recording record(
            NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas, boolean whole) {
        Pass pass = pass(sample.getManager(), timesteps, told, deltas, Keep.LayerStates);
        return new Recording(pass, told, chain.record(pass, enter(pass, sample), whole));
    }

    /**
     * {@link #record} for what stands before the denoiser: {@link Recording#backward} goes to what the text came to as
     * well, and {@link Recording#toText} has that gradient.
     */
    public Recording recordToText(NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas) {
        return recordToText(sample, timesteps, told, deltas, Keep.LayerStates);
    }

    /** @param keep what of the pass is kept */
    public Recording recordToText(
            NDArray sample, NDArray timesteps, Conditioning told, ProjectionDeltas deltas, Keep keep) {
        return recordToText(sample, timesteps, told, deltas, keep, null);
    }

    /** @param scores take those of its cross-attentions, and must have gradients on the way back; null for none */
    public Recording recordToText(
            NDArray sample,
            NDArray timesteps,
            Conditioning told,
            ProjectionDeltas deltas,
            Keep keep,
            @Nullable AttentionScores scores) {
        NDManager scope = sample.getManager();
        Pass plain = pass(scope, timesteps, told, deltas, keep);
        NDArray time =
                embedAddition == null ? null : scope.zeros(plain.requireTime().getShape());
        Pass pass = plain.toText(scope.zeros(told.context().getShape()), time).withScores(scores);
        return new Recording(pass, told, chain.record(pass, enter(pass, sample), false));
    }

    /** Its layers in their order. */
    Chain chain() {
        return chain;
    }

    /** What makes the embedding of the time (B, 4 first) of timesteps (B). */
    Weights.Kernel embedTime() {
        return embedTime;
    }

    /** What adds to it; null where nothing does. */
    @Nullable AddedEmbedding embedAddition() {
        return embedAddition;
    }

    Pass pass(NDManager scope, NDArray timesteps, Conditioning told, ProjectionDeltas deltas, Keep keep) {
        NDArray time = embedTime.call(scope, timesteps); // (B, 4 first)
        if (embedAddition != null) {
            try (NDArray timeAlone = time) {
                time = embedAddition.forward(scope, timeAlone, told); // (B, 4 first)
            }
        }
        return PassBuilder.builder()
                .scope(scope)
                .deltas(deltas)
                .keep(keep)
                .time(time)
                .context(LIKE.call(scope, told.context(), time))
                .build();
    }

    static NDArray enter(Pass pass, NDArray x) {
        return ENTER.call(pass.scope(), x, pass.requireTime());
    }

    static NDArray leave(Pass pass, NDArray y) {
        try (y) {
            return LEAVE.call(pass.scope(), y);
        }
    }

    /** A prediction that can be walked back. */
    public final class Recording {
        private final Pass pass;
        private final Conditioning told;
        private final Chain.Recording chain;
        private final NDArray output;

        private Recording(Pass pass, Conditioning told, Chain.Recording chain) {
            this.pass = pass;
            this.told = told;
            this.chain = chain;
            this.output = leave(pass, chain.output());
        }

        /** The prediction (B, C, h, w), fp32. */
        public NDArray output() {
            return output;
        }

        /**
         * Adds to the gradients of the adapter's factors; works once.
         *
         * @param gradient of the output (B, C, h, w)
         */
        public void backward(NDArray gradient) {
            chain.backward(enter(pass, gradient)).close();
        }

        /** The gradient of what the text came to, fp32, after {@link #backward}; only of {@link UNet#recordToText}. */
        public TextEmbedding toText() {
            NDArray context = Objects.requireNonNull(pass.contextGradient(), "a pass recorded to its text");
            NDArray time = pass.timeGradient();
            return new TextEmbedding(
                    context,
                    embedAddition == null || time == null ? null : embedAddition.backward(pass.scope(), time, told));
        }

        /** The same down to the sample, whose gradient (B, C, h, w) it returns. */
        public NDArray backwardToSample(NDArray gradient) {
            return leave(pass, chain.backward(enter(pass, gradient)));
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
