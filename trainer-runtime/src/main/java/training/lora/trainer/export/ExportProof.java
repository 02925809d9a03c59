package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.Proof;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.DoraNorm;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;

/**
 * Proves an adapter's file by what it does: read back and applied, it must give the trained adapter's output. The input is
 * fixed and small, so that a proof costs less than a step.
 */
public final class ExportProof {
    /**
     * Greatest difference over the output's greatest value. The factors are the same bits; the scale may differ in fp32's
     * last one, which the network's own rounding carries on.
     */
    private static final double FLOAT_TOLERANCE = 1e-5;

    /** The same where the network rounds to bf16, whose steps are 2^-8. */
    private static final double BFLOAT_TOLERANCE = 2e-2;

    private static final int TOKENS = 8;

    private static final String TEXT = "a picture of a cat";

    private static final float TIMESTEP = 500;

    private static final float PICTURE_SIDE = 1024;

    private final StableDiffusion model;
    private final NDManager manager;

    /** @param model that the adapter was trained for */
    public ExportProof(StableDiffusion model, NDManager manager) {
        this.model = model;
        this.manager = manager;
    }

    /**
     * Proves files of one adapter.
     *
     * @param names of the files in {@code folder}
     * @return a proof for each of {@code names}
     * @throws IllegalStateException if a file does something else than {@code trained}
     */
    public List<Proof> prove(Path folder, List<String> names, LoraAdapter trained) throws IOException {
        List<Proof> proofs = new ArrayList<>();
        try (NDManager scope = manager.newSubManager()) {
            NDList expected = outputs(trained, scope);
            for (String name : names) {
                proofs.add(prove(folder, name, trained, expected));
            }
            TokenEmbeddings tokens = trained.tokens();
            if (tokens != null) {
                Path beside = trained.projections().isEmpty() ? null : folder.resolve(names.get(0));
                proofs.addAll(proveEmbeddings(folder, TokenFiles.names(tokens), beside, expected));
            }
        }
        return proofs;
    }

    /**
     * Files of embeddings; together they do what was trained.
     *
     * @param beside the adapter's file, whose own embeddings, if it bundles any, theirs take the place of; null where they are
     *     all that was trained
     */
    private List<Proof> proveEmbeddings(Path folder, List<String> names, @Nullable Path beside, NDList expected)
            throws IOException {
        double tolerance = tolerance();
        double difference;
        List<Path> files = names.stream().map(folder::resolve).toList();
        try (NDManager scope = manager.newSubManager();
                LoraAdapter read = beside == null
                        ? Objects.requireNonNull(AdapterFiles.read(null, files, model, scope))
                        : AdapterFiles.read(beside, model, scope).with(TokenFiles.read(files, model, scope))) {
            difference = difference(files.get(0), outputs(read, scope), expected, tolerance);
        }
        List<Proof> proofs = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            proofs.add(new Proof(names.get(i), Sha256.of(files.get(i)), difference, tolerance));
        }
        return proofs;
    }

    private Proof prove(Path folder, String name, LoraAdapter trained, NDList expected) throws IOException {
        Path file = folder.resolve(name);
        double tolerance = tolerance();
        double difference;
        try (NDManager scope = manager.newSubManager();
                LoraAdapter read = withTokens(AdapterFiles.read(file, model, scope), folder, trained.tokens(), scope)) {
            difference = difference(file, outputs(read, scope), expected, tolerance);
        }
        return new Proof(name, Sha256.of(file), difference, tolerance);
    }

    /** The model's weights. */
    public FrozenWeights weights() {
        return model::weight;
    }

    /**
     * Proves a file of full differences of the weights that a DoRA stands beside, a module at a time, for together they may be
     * as large as the model: on a fixed input the weights with them must do what the DoRA does as it is trained.
     *
     * @param name of the file in {@code folder}
     * @throws IllegalStateException if it does something else than {@code trained}
     */
    public Proof proveBaked(Path folder, String name, LoraAdapter trained) throws IOException {
        Path file = folder.resolve(name);
        double difference = 0;
        try (AdapterFile read = AdapterFiles.open(file, model)) {
            Map<String, LoraAdapter.Factors> factors =
                    AdapterFiles.factors(read, AdapterFiles.projections(model, model.unet()));
            if (factors.size() != trained.projections().size()) {
                throw new IllegalStateException(file + " must adapt the parts of the model that were trained");
            }
            BakedModules.Weights weights = BakedModules.of(weights());
            for (AdaptedProjection p : trained.projections()) {
                LoraAdapter.Factors own =
                        Objects.requireNonNull(factors.get(p.projection().path()), p.projection()::path);
                try (NDManager scope = ComputeDevice.CPU.newManager()) {
                    NDArray weight = weights.rows(p.projection(), scope);
                    NDArray input = Randomness.normal(
                                    scope, 1, new Shape(p.projection().fanIn(), TOKENS))
                            .toType(DataType.FLOAT64, false);
                    NDArray baked =
                            exact(weight).add(exact(own.change(weight, scope))).matMul(input);
                    difference = Math.max(difference, difference(baked, decomposed(p, trained, weight, input), file));
                }
            }
        }
        return new Proof(name, Sha256.of(file), difference, FLOAT_TOLERANCE);
    }

    private static double difference(NDArray actual, NDArray expected, Path file) {
        return difference(file, new NDList(actual), new NDList(expected), FLOAT_TOLERANCE);
    }

    /** m / |W + s B A| (W x + s B A x), with the norms as they are trained; {@code input} x (fan in, n). */
    private static NDArray decomposed(AdaptedProjection p, LoraAdapter trained, NDArray weight, NDArray input) {
        NDManager scope = weight.getManager();
        Map<AdapterPart, LazyTensor> values = trained.values(p);
        NDArray down = value(values, AdapterPart.Down, scope).reshape(p.kind().shape(AdapterPart.Down, p.projection()));
        NDArray up = value(values, AdapterPart.Up, scope).reshape(p.kind().shape(AdapterPart.Up, p.projection()));
        NDArray norms = DoraNorm.norms(
                p.projection(),
                weight.reshape(FullDifference.fileShape(p.projection())),
                DoraNorm.squares(weight, scope),
                new Delta.LowRank(down, up, p.kind().scale()),
                scope);
        NDArray product = exact(up.reshape(p.projection().out(), -1))
                .matMul(exact(down.reshape(-1, p.projection().fanIn())).matMul(input))
                .mul(p.kind().scale());
        NDArray factor = exact(value(values, AdapterPart.Magnitude, scope))
                .div(exact(norms))
                .reshape(-1, 1);
        return exact(weight).matMul(input).add(product).mul(factor);
    }

    /** In fp64, so that long sums don't tell a right file from what was trained. */
    private static NDArray exact(NDArray values) {
        return values.toType(DataType.FLOAT64, true);
    }

    private static NDArray value(Map<AdapterPart, LazyTensor> values, AdapterPart part, NDManager scope) {
        return Objects.requireNonNull(values.get(part), part::name).in(scope);
    }

    private double tolerance() {
        return switch (model.unet().precision()) {
            case Float32 -> FLOAT_TOLERANCE;
            case BFloat16 -> BFLOAT_TOLERANCE;
        };
    }

    /** How far what {@code file} does is from what was trained; not further than it may. */
    private static double difference(Path file, NDList actual, NDList expected, double tolerance) {
        if (actual.size() != expected.size()) {
            throw new IllegalStateException(file + " must adapt the parts of the model that were trained");
        }
        double difference = 0;
        for (int i = 0; i < actual.size(); i++) {
            difference = Math.max(difference, difference(actual.get(i), expected.get(i)));
        }
        // A difference that is no number fails too.
        if (!(difference <= tolerance)) {
            throw new IllegalStateException("%s must do what was trained, within %s of the output, but differs by %s"
                    .formatted(file, tolerance, difference));
        }
        return difference;
    }

    /** A form that has no place for tokens is used together with the files of embeddings beside it. */
    private LoraAdapter withTokens(LoraAdapter read, Path folder, @Nullable TokenEmbeddings trained, NDManager scope) {
        if (trained == null || read.tokens() != null) {
            return read;
        }
        List<Path> files =
                TokenFiles.names(trained).stream().map(folder::resolve).toList();
        return read.with(TokenFiles.read(files, model, scope));
    }

    /** A text that says the words of tokens. */
    private static String text(LoraAdapter adapter) {
        TokenEmbeddings tokens = adapter.tokens();
        return tokens == null
                ? TEXT
                : TEXT + ", "
                        + tokens.words().stream()
                                .map(TokenEmbeddings.Word::text)
                                .sorted()
                                .collect(Collectors.joining(", "));
    }

    /** Greatest difference over the greatest value. */
    private static double difference(NDArray actual, NDArray expected) {
        return actual.sub(expected).abs().max().toType(DataType.FLOAT64, false).getDouble()
                / expected.abs().max().toType(DataType.FLOAT64, false).getDouble();
    }

    /** The denoiser's prediction, and where text encoders are adapted what they make of a text. */
    private NDList outputs(LoraAdapter adapter, NDManager scope) {
        ProjectionDeltas deltas = adapter.bind(scope);
        NDList outputs = new NDList(predict(deltas, scope));
        if (adapter.adaptsText()) {
            TextEmbedding text = model.prompts().encode(scope, List.of(text(adapter)), deltas);
            outputs.add(text.context());
            if (text.pooled() != null) {
                outputs.add(text.pooled());
            }
        }
        return outputs;
    }

    private NDArray predict(ProjectionDeltas deltas, NDManager scope) {
        UNet unet = model.unet();
        UNetConfig config = unet.config();
        // The smallest that every level can halve.
        long side = 1L << (config.widths().size() - 1);
        return unet.forward(
                Randomness.normal(scope, 1, new Shape(1, config.channels(), 2 * side, 2 * side)),
                scope.create(new float[] {TIMESTEP}),
                told(config, scope),
                deltas);
    }

    private static Conditioning told(UNetConfig config, NDManager scope) {
        NDArray context = Randomness.normal(scope, 2, new Shape(1, TOKENS, config.contextWidth()));
        UNetConfig.Addition addition = config.addition();
        return addition == null
                ? Conditioning.of(context)
                : new Conditioning(
                        context,
                        Randomness.normal(scope, 3, new Shape(1, addition.pooledWidth())),
                        scope.create(
                                new float[] {PICTURE_SIDE, PICTURE_SIDE, 0, 0, PICTURE_SIDE, PICTURE_SIDE},
                                new Shape(1, 6)));
    }
}
