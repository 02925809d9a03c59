package training.lora.trainer.onnx;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Which files of a folder or repository are an ONNX model of one graph: the graph in full precision, its external data,
 * and what describes texts, pictures and labels. Publishers keep graphs of several precisions side by side, as
 * {@code onnx/model.onnx}, {@code onnx/model_fp16.onnx}.
 */
public final class OnnxFiles {
    private static final String ENDING = ".onnx";

    /** Where publishers keep the graph in full precision, from the likeliest. */
    private static final List<String> USUAL = List.of("onnx/model.onnx", "model.onnx");

    private OnnxFiles() {}

    /**
     * Those that are needed.
     *
     * @param names of all files, with slashes
     * @throws TrainerException InvalidConfiguration if none or several could be meant; its message goes on after a uri
     */
    public static SortedSet<String> needed(Collection<String> names) {
        String graph = graph(names);
        SortedSet<String> needed = new TreeSet<>();
        for (String name : names) {
            boolean data = name.startsWith(graph + "_data") || name.equals(graph + ".data");
            if (name.equals(graph) || data || describes(name)) {
                needed.add(name);
            }
        }
        return needed;
    }

    private static boolean describes(String name) {
        boolean text = name.endsWith(".json") || name.endsWith(".txt") || name.endsWith(".csv");
        return text && !name.startsWith(".") && name.indexOf('/') < 0 || name.equals("merges.txt");
    }

    /** The graph among {@code names}. */
    static String graph(Collection<String> names) {
        for (String usual : USUAL) {
            if (names.contains(usual)) {
                return usual;
            }
        }
        List<String> graphs =
                names.stream().filter(name -> name.endsWith(ENDING)).sorted().toList();
        if (graphs.size() != 1) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    graphs.isEmpty()
                            ? "must hold an ONNX model (model.onnx), but holds none"
                            : "must name one of its ONNX models: it has " + String.join(", ", graphs));
        }
        return graphs.get(0);
    }

    /** The graph's file in {@code place}, or {@code place} itself where that is a file. */
    public static Path graph(String field, Path place) {
        if (!Files.isDirectory(place)) {
            return place;
        }
        return place.resolve(withField(field, place, () -> graph(names(place))));
    }

    /** A file that lies beside the graph, or in a folder above it within {@code place}; null where there is none. */
    public static @Nullable Path beside(Path place, String name) {
        Path folder = Files.isDirectory(place) ? place : place.getParent();
        for (Path candidate :
                folder == null ? List.<Path>of() : List.of(folder.resolve(name), folder.resolve("../" + name))) {
            if (Files.isRegularFile(candidate)) {
                return candidate.normalize();
            }
        }
        return null;
    }

    /** All files that the model in {@code place} is made of. */
    public static List<Path> all(String field, Path place) {
        if (!Files.isDirectory(place)) {
            return List.of(place);
        }
        return withField(field, place, () -> needed(names(place))).stream()
                .map(place::resolve)
                .toList();
    }

    private static <T> T withField(String field, Path place, java.util.function.Supplier<T> what) {
        try {
            return what.get();
        } catch (TrainerException e) {
            throw new TrainerException(e.reason(), "`%s` %s %s".formatted(field, place, e.getMessage()), e);
        }
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> files = Files.walk(folder, 3)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString().replace('\\', '/'))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
