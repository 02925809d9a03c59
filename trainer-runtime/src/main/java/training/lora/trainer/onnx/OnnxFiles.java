package training.lora.trainer.onnx;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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

    /** What is read beside a graph: of pictures, texts and tags. */
    static final List<String> DESCRIPTIONS = List.of(
            "config.json",
            "merges.txt",
            "preprocessor_config.json",
            "selected_tags.csv",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.json");

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
            if (name.equals(graph) || isData(graph, name) || describes(name)) {
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
        List<String> graphs = names.stream().filter(OnnxFiles::isGraph).sorted().toList();
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

    /**
     * A file that describes the model: in the folder {@code place}, or, where that is the graph's file, beside it or in the
     * folder above. Null where there is none.
     *
     * @param name one of {@link #DESCRIPTIONS}, since these alone are in the model's digest
     */
    public static @Nullable Path beside(Path place, String name) {
        if (!DESCRIPTIONS.contains(name)) {
            throw new IllegalArgumentException(name + " is in no model's digest");
        }
        Path folder = Files.isDirectory(place) ? place : place.toAbsolutePath().getParent();
        Path above = Files.isDirectory(place) || folder == null ? null : folder.getParent();
        for (Path where : Arrays.asList(folder, above)) {
            Path candidate = where == null ? null : where.resolve(name);
            if (candidate != null && Files.isRegularFile(candidate)) {
                return candidate;
            }
        }
        return null;
    }

    /** All files that the model in {@code place} is made of. */
    public static List<Path> all(String field, Path place) throws IOException {
        if (!Files.isDirectory(place)) {
            return ofFile(place);
        }
        return withField(field, place, () -> needed(names(place))).stream()
                .map(place::resolve)
                .toList();
    }

    private static List<Path> ofFile(Path graph) throws IOException {
        String name = graph.getFileName().toString();
        SortedSet<Path> all = new TreeSet<>();
        Path folder = graph.toAbsolutePath().getParent();
        if (folder != null) {
            try (Stream<Path> files = Files.list(folder)) {
                files.filter(file -> isData(name, file.getFileName().toString()))
                        .filter(Files::isRegularFile)
                        .forEach(all::add);
            }
        }
        for (String description : DESCRIPTIONS) {
            Path file = beside(graph, description);
            if (file != null) {
                all.add(file);
            }
        }
        List<Path> graphFirst = new ArrayList<>(List.of(graph));
        graphFirst.addAll(all);
        return graphFirst;
    }

    /** Whether {@code name} is a graph's. */
    public static boolean isGraph(String name) {
        return name.endsWith(ENDING);
    }

    /** Whether {@code name} holds weights of {@code graph}, of which a file may have 2 GB at most. */
    public static boolean isData(String graph, String name) {
        return name.startsWith(graph + "_data") || name.equals(graph + ".data");
    }

    /** What {@code what} gives; a complaint of it says which field and place are meant. */
    public static <T> T withField(String field, Path place, java.util.function.Supplier<T> what) {
        try {
            return what.get();
        } catch (TrainerException e) {
            throw new TrainerException(e.reason(), "`%s` %s %s".formatted(field, place, e.getMessage()), e);
        }
    }

    /** Names of all files in a folder, with slashes. */
    public static List<String> names(Path folder) {
        try {
            return walked(folder.toRealPath());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param real without links, into which no walk goes */
    private static List<String> walked(Path real) throws IOException {
        try (Stream<Path> files = Files.walk(real, 3)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> real.relativize(file).toString().replace('\\', '/'))
                    .toList();
        }
    }
}
