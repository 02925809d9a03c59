package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import training.lora.api.AestheticSpec.Activation;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.SafeTensors;

/**
 * An aesthetic score of a picture: linear layers on CLIP's unit vector of it, down to one number. Files name them by their
 * place, with gaps where dropout stood (layers.0.weight, layers.2.weight), or have one alone (weight).
 */
final class AestheticHead implements PictureMetric {
    static final String NAME = ScoreWeights.AESTHETIC;

    private static final String FIELD = "spec.evaluation.aesthetic.uri";

    private static final Pattern WEIGHT = Pattern.compile("(?:.*\\.)?(\\d+)\\.weight|(?:.*\\.)?weight");

    /** The layers' weights, [out][in], and biases. */
    private record Layer(double[][] weight, double[] bias) {}

    private final List<Layer> layers;
    private final Activation activation;

    private AestheticHead(List<Layer> layers, Activation activation) {
        this.layers = layers;
        this.activation = activation;
    }

    /**
     * Reads a file.
     *
     * @param width the length of CLIP's vectors
     * @throws TrainerException InvalidConfiguration if it is no such head, or one of another CLIP model
     */
    static AestheticHead read(Path file, Activation activation, int width, NDManager parent) {
        try (SafeTensors tensors = SafeTensors.open(file);
                NDManager manager = parent.newSubManager()) {
            List<String> names = tensors.entries().keySet().stream()
                    .filter(name -> WEIGHT.matcher(name).matches())
                    .sorted(Comparator.comparingInt(AestheticHead::place))
                    .toList();
            List<Layer> layers = new ArrayList<>();
            int in = width;
            for (String name : names) {
                String biasName = name.substring(0, name.length() - "weight".length()) + "bias";
                long[] shape =
                        Objects.requireNonNull(tensors.entries().get(name)).shape();
                if (shape.length != 2 || shape[1] != in || !tensors.entries().containsKey(biasName)) {
                    throw other(
                            file,
                            "%s has the shape %s, where vectors have %d numbers, or no bias beside it"
                                    .formatted(name, Arrays.toString(shape), in));
                }
                double[] bias = doubles(tensors.read(biasName, manager));
                double[] weight = doubles(tensors.read(name, manager));
                int columns = in;
                double[][] rows = IntStream.range(0, (int) shape[0])
                        .mapToObj(r -> Arrays.copyOfRange(weight, r * columns, (r + 1) * columns))
                        .toArray(double[][]::new);
                layers.add(new Layer(rows, bias));
                in = (int) shape[0];
            }
            if (layers.isEmpty() || in != 1) {
                throw other(
                        file, layers.isEmpty() ? "it has no layers" : "the last layer gives %d numbers".formatted(in));
            }
            return new AestheticHead(layers, activation);
        }
    }

    private static TrainerException other(Path file, String what) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` must name linear layers, one after the other, from a vector of `spec.evaluation.clip` to one number, but of %s %s"
                        .formatted(FIELD, file.getFileName(), what));
    }

    private static int place(String name) {
        Matcher matcher = WEIGHT.matcher(name);
        return matcher.matches() && matcher.group(1) != null ? Integer.parseInt(matcher.group(1)) : 0;
    }

    private static double[] doubles(NDArray array) {
        float[] values = array.toType(DataType.FLOAT32, false).toFloatArray();
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String definition() {
        return "mean over pictures of the score that the head of spec.evaluation.aesthetic gives CLIP's vector of length 1";
    }

    /** Of all pictures, for whatever concept. */
    @Override
    public double[] of(ConceptShare concept, List<Path> files, Embeddings vectors) {
        return of(vectors);
    }

    double[] of(Embeddings vectors) {
        return IntStream.range(0, vectors.size())
                .mapToDouble(i -> of(vectors.row(i)))
                .toArray();
    }

    private double of(double[] vector) {
        double[] x = vector;
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            double[] y = layer.bias().clone();
            for (int r = 0; r < y.length; r++) {
                y[r] += Embeddings.dot(x, layer.weight()[r]);
                if (activation == Activation.Relu && i < layers.size() - 1) {
                    y[r] = Math.max(0, y[r]);
                }
            }
            x = y;
        }
        return x[0];
    }
}
