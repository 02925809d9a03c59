package training.lora.trainer.source;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.files.Sha256;

/** A Hub with one repository, as huggingface.co documents it: files of LFS are redirected to another server. */
public final class TestHub implements Closeable {
    public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    private final TestServer hub = new TestServer();
    private final TestServer store = new TestServer();
    private final Path scratch;
    private final String type;
    private final String repository;
    private final Map<String, byte[]> files = new TreeMap<>();
    private final Map<String, String> promised = new LinkedHashMap<>();
    private int pageSize = 1000;

    /** @param type models or datasets */
    public TestHub(Path scratch, String type, String repository) throws IOException {
        this.scratch = scratch;
        this.type = type;
        this.repository = repository;
    }

    /** Adds the files of a folder. */
    public TestHub add(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                add(folder.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
        return this;
    }

    public TestHub add(String path, byte[] content) {
        files.put(path, content);
        return this;
    }

    /** Lets the listing promise another digest than the file has. */
    public TestHub promise(String path, String sha256) {
        promised.put(path, sha256);
        return this;
    }

    public TestHub pagesOf(int size) {
        pageSize = size;
        return this;
    }

    /** Whether a file is stored in LFS, behind a pointer in git. */
    static boolean lfs(String path) {
        return path.matches(".*\\.(safetensors|bin|ckpt|zip|gz|png|parquet)");
    }

    /** Begins to serve {@code main}, a tag and the commit itself. */
    public TestHub serve() throws IOException {
        return serve(COMMIT);
    }

    public TestHub serve(String commit) throws IOException {
        String api = "/api/" + type + "/" + repository;
        for (String revision : List.of("main", "v1.0", "refs%2Fpr%2F1", commit)) {
            hub.on(api + "/revision/" + revision, exchange -> exchange.text("{\"sha\": \"%s\"}".formatted(commit)));
        }
        List<String> paths = List.copyOf(files.keySet());
        hub.on(api + "/tree/" + commit, exchange -> {
            String query = String.valueOf(exchange.query());
            int begin = query.contains("cursor=") ? Integer.parseInt(query.replaceAll(".*cursor=(\\d+).*", "$1")) : 0;
            int end = Math.min(paths.size(), begin + pageSize);
            if (end < paths.size()) {
                exchange.set(
                        "Link",
                        "<https://huggingface.co%s/tree/%s?recursive=true&cursor=%d>; rel=\"next\""
                                .formatted(api, commit, end));
            }
            exchange.text(page(paths.subList(begin, end)));
        });
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            String path = file.getKey();
            String resolve = (type.equals("datasets") ? "/datasets/" : "/") + repository + "/resolve/" + commit + "/"
                    + path.replace(" ", "%20");
            if (lfs(path)) {
                String stored = "/lfs/" + Sha256.of(path);
                hub.on(
                        resolve,
                        exchange -> exchange.fail(
                                302,
                                Map.of(
                                        "Location",
                                        store.url(stored) + "?X-Amz-Signature=secret",
                                        "X-Repo-Commit",
                                        commit)));
                store.on(stored, exchange -> {
                    if (exchange.header("Authorization") != null) {
                        exchange.fail(400, Map.of());
                    } else {
                        exchange.file(file.getValue(), "\"etag\"", Integer.MAX_VALUE);
                    }
                });
            } else {
                hub.file(resolve, file.getValue(), "\"etag\"");
            }
        }
        return this;
    }

    private String page(List<String> paths) throws IOException {
        ArrayNode tree = Json.MAPPER.createArrayNode();
        tree.addObject().put("type", "directory").put("path", "folder").put("oid", "00");
        for (String path : paths) {
            byte[] content = content(path);
            Path file = Files.write(scratch.resolve("content"), content);
            ObjectNode entry = tree.addObject();
            entry.put("type", "file")
                    .put("path", path)
                    .put("size", content.length)
                    .put("oid", GitBlob.of(file));
            if (lfs(path)) {
                entry.putObject("lfs")
                        .put("oid", promised.getOrDefault(path, Sha256.of(file)))
                        .put("size", content.length)
                        .put("pointerSize", 130);
            }
        }
        return tree.toString();
    }

    byte[] content(String path) {
        byte[] content = files.get(path);
        if (content == null) {
            throw new IllegalArgumentException(path);
        }
        return content;
    }

    public TestServer hub() {
        return hub;
    }

    public TestServer store() {
        return store;
    }

    public String endpoint() {
        return hub.url("");
    }

    /** Variables of a process that asks this Hub and knows no other token or cache. */
    public Map<String, String> environment(Path home, @Nullable String token) {
        Map<String, String> environment = new TreeMap<>();
        environment.put("HF_ENDPOINT", endpoint());
        environment.put("HOME", home.toString());
        if (token != null) {
            environment.put("HF_TOKEN", token);
        }
        return environment;
    }

    @Override
    public void close() {
        hub.close();
        store.close();
    }
}
