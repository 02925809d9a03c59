package training.lora.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The commands and the YAML files of README.md and docs/*.md, and where each command is run: documents.txt. */
public final class Documents {
    private static final Path HOME = TestCluster.HOME;
    private static final Path PLACES = Path.of("src/test/resources/documents.txt");
    private static final Pattern PROGRAM =
            Pattern.compile("(\\./demo|bin/\\S+|benchmarks/\\S+/run|mvn|java|helm|kubectl"
                    + "|docker|ctr|skopeo|python3|pip|export)( .*)?");
    private static final Pattern INLINE = Pattern.compile("`([^`]+)`");
    private static final Pattern COMMENT = Pattern.compile("\\s{2,}#.*|\\s+or: .*");
    private static final Pattern FILE = Pattern.compile("# (\\S+\\.yaml)\n");
    private static final Pattern LINK = Pattern.compile("]\\(([^)#:]+)(?:#[^)]*)?\\)");
    private static final Pattern NAME = Pattern.compile("name: ([a-z0-9-]+)");

    private Documents() {}

    private static List<Path> documents() throws IOException {
        try (Stream<Path> docs = Files.list(HOME.resolve("docs"))) {
            return Stream.concat(Stream.of(HOME.resolve("README.md")), docs.filter(f -> f.toString()
                            .endsWith(".md")))
                    .sorted()
                    .toList();
        }
    }

    /** Each command once: of fenced and of indented blocks, and in the text those of three words or more. */
    public static Set<String> commands() throws IOException {
        Set<String> commands = new LinkedHashSet<>();
        for (Path document : documents()) {
            String fence = "";
            // A command goes on in the next line after a backslash.
            for (String line :
                    Files.readString(document).replaceAll("\\\\\n\\s*", "").split("\n", -1)) {
                if (line.startsWith("```")) {
                    fence = fence.isEmpty() ? line : "";
                } else if (fence.equals("```sh") || fence.isEmpty() && line.startsWith("    ")) {
                    add(line, commands);
                } else if (fence.isEmpty()) {
                    Matcher inline = INLINE.matcher(line);
                    while (inline.find()) {
                        if (inline.group(1).split(" ").length > 2) {
                            add(inline.group(1), commands);
                        }
                    }
                }
            }
        }
        return commands;
    }

    private static void add(String line, Set<String> commands) {
        for (String command : COMMENT.matcher(line).replaceAll("").strip().split(" && ")) {
            if (PROGRAM.matcher(command).matches()) {
                commands.add(command);
            }
        }
    }

    /** The YAML blocks by their names: that of the first line's comment, else that of the resource. */
    public static Map<String, String> files() throws IOException {
        Map<String, String> files = new LinkedHashMap<>();
        Pattern block = Pattern.compile("(?ms)^```yaml\n(.*?)^```$");
        for (Path document : documents()) {
            Matcher yaml = block.matcher(Files.readString(document));
            while (yaml.find()) {
                Matcher file = FILE.matcher(yaml.group(1));
                Matcher name = NAME.matcher(yaml.group(1));
                if (file.lookingAt()) {
                    files.put(file.group(1), yaml.group(1));
                } else if (name.find()) {
                    files.put(name.group(1) + ".yaml", yaml.group(1));
                }
            }
        }
        return files;
    }

    /** The files that the documents' links lead to. */
    static List<Path> links() throws IOException {
        List<Path> links = new ArrayList<>();
        for (Path document : documents()) {
            Matcher link = LINK.matcher(Files.readString(document));
            while (link.find()) {
                links.add(document.resolveSibling(link.group(1)));
            }
        }
        return links;
    }

    /** The commands that are run at a place, in the order in which they are run there. */
    public static List<String> at(String place) throws IOException {
        return places().getOrDefault(place, List.of());
    }

    /** All commands of documents.txt by their place. */
    static Map<String, List<String>> places() throws IOException {
        Map<String, List<String>> places = new LinkedHashMap<>();
        List<String> commands = new ArrayList<>();
        for (String line : Files.readAllLines(PLACES)) {
            if (line.startsWith("[")) {
                commands = places.computeIfAbsent(line.substring(1, line.length() - 1), k -> new ArrayList<>());
            } else if (!line.isBlank() && !line.startsWith("#")) {
                commands.add(line);
            }
        }
        return places;
    }
}
