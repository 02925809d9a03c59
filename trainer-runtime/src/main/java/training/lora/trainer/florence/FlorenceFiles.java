package training.lora.trainer.florence;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.onnx.OnnxFiles;

/**
 * Which files of a folder or repository are Florence-2: its four graphs, in a folder onnx or without, and what describes
 * texts and pictures. A graph is taken in full precision where there is one; else in the only form that there is, such as
 * {@code vision_encoder_fp16.onnx}.
 */
public final class FlorenceFiles {
    static final String VISION = "vision_encoder";
    static final String EMBED = "embed_tokens";
    static final String ENCODER = "encoder_model";
    static final String DECODER = "decoder_model_merged";
    static final String TOKENIZER = "tokenizer.json";
    static final String CONFIG = "config.json";
    static final String GENERATION = "generation_config.json";
    static final String PICTURES = "preprocessor_config.json";

    private static final List<String> GRAPHS = List.of(VISION, EMBED, ENCODER, DECODER);
    private static final List<String> DESCRIPTIONS = List.of(CONFIG, GENERATION, PICTURES, TOKENIZER);
    private static final String FOLDER = "onnx/";
    private static final String ENDING = ".onnx";

    private FlorenceFiles() {}

    /**
     * Those that are needed.
     *
     * @param names of all files in the place, with slashes
     * @throws TrainerException InvalidConfiguration if one is missing; its message goes on after a uri
     */
    public static SortedSet<String> needed(Collection<String> names) {
        SortedSet<String> needed = new TreeSet<>();
        for (String graph : graphs(names).values()) {
            needed.add(graph);
            // Weights of a graph above 2 GB lie beside it.
            names.stream().filter(name -> OnnxFiles.isData(graph, name)).forEach(needed::add);
        }
        if (!names.contains(TOKENIZER)) {
            throw missing(TOKENIZER);
        }
        DESCRIPTIONS.stream().filter(names::contains).forEach(needed::add);
        return needed;
    }

    /** All that the model in {@code place} is made of. */
    public static List<Path> all(String field, Path place) {
        return OnnxFiles.withField(field, place, () -> needed(names(place))).stream()
                .map(place::resolve)
                .toList();
    }

    /** The files of the graphs in {@code place}, by their plain names. */
    static Map<String, Path> graphs(String field, Path place) {
        List<String> names = names(place);
        OnnxFiles.withField(field, place, () -> needed(names));
        Map<String, Path> files = new LinkedHashMap<>();
        graphs(names).forEach((graph, name) -> files.put(graph, place.resolve(name)));
        return files;
    }

    private static Map<String, String> graphs(Collection<String> names) {
        Map<String, String> files = new LinkedHashMap<>();
        GRAPHS.forEach(graph -> files.put(graph, graph(names, graph)));
        return files;
    }

    private static String graph(Collection<String> names, String graph) {
        for (String usual : List.of(FOLDER + graph + ENDING, graph + ENDING)) {
            if (names.contains(usual)) {
                return usual;
            }
        }
        List<String> others = names.stream()
                .filter(name -> name.endsWith(ENDING))
                .filter(name -> name.startsWith(FOLDER + graph + "_") || name.startsWith(graph + "_"))
                .sorted()
                .toList();
        if (others.size() > 1) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "must hold Florence-2's %s.onnx, or it in one other form, but holds %s"
                            .formatted(graph, String.join(", ", others)));
        }
        if (others.isEmpty()) {
            throw missing(graph + ENDING);
        }
        return others.get(0);
    }

    private static TrainerException missing(String name) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "must hold Florence-2's %s.onnx, %s.onnx, %s.onnx, %s.onnx and %s, but %s is missing"
                        .formatted(VISION, EMBED, ENCODER, DECODER, TOKENIZER, name));
    }

    private static List<String> names(Path place) {
        return Files.isDirectory(place) ? OnnxFiles.names(place) : List.of();
    }
}
