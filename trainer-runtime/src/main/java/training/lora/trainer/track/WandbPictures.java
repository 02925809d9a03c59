package training.lora.trainer.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.report.TensorBoard;

/**
 * Pictures of a run in Weights & Biases, as its client has them: the history names a file of the run by its digest, and the file
 * goes to a url that the service gives for it.
 */
final class WandbPictures {
    private static final Logger LOG = LoggerFactory.getLogger(WandbPictures.class);

    private static final String NAME = "samples/";

    private static final String TYPE = "image-file";

    private static final int DIGITS = 20;

    private static final String MUTATION = """
            mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
              createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) {
                uploadHeaders
                files { name uploadUrl }
              }
            }
            """;

    private final Api api;
    private final TensorBoard.Pictures drawn;
    private boolean without;

    /** @param drawn where pictures of a step are */
    WandbPictures(Api api, TensorBoard.Pictures drawn) {
        this.api = api;
        this.drawn = drawn;
    }

    /** Puts the pictures of a step into its line of the history. */
    void name(Point point, ObjectNode line) {
        int i = 0;
        for (Path file : point.pictures()) {
            try {
                byte[] png = Files.readAllBytes(file);
                String digest = Sha256.of(png);
                ByteBuffer header = ByteBuffer.wrap(png);
                // A PNG says its size in its first chunk.
                line.putObject(NAME + i)
                        .put("_type", TYPE)
                        .put(
                                "path",
                                "media/images/%s%d_%d_%s.png"
                                        .formatted(NAME, i, point.step(), digest.substring(0, DIGITS)))
                        .put("sha256", digest)
                        .put("size", png.length)
                        .put("format", "png")
                        .put("width", header.getInt(16))
                        .put("height", header.getInt(20));
            } catch (IOException | RuntimeException e) {
                LOG.debug("{} can't be told of", file, e);
            }
            i++;
        }
    }

    /**
     * Uploads what a line names.
     *
     * @return the files that are there now
     */
    List<String> upload(RunPlace place, JsonNode line) throws IOException {
        Map<String, Path> files = new LinkedHashMap<>();
        List<Path> pictures = drawn.of(line.path("_step").asInt());
        for (int i = 0; i < pictures.size(); i++) {
            JsonNode picture = line.path(NAME + i);
            if (picture.path("_type").asText().equals(TYPE)) {
                files.put(picture.path("path").asText(), pictures.get(i));
            }
        }
        if (without || files.isEmpty()) {
            return List.of();
        }
        try {
            return upload(place, files);
        } catch (RefusedException e) {
            without = true;
            LOG.warn("Weights & Biases {} gets no pictures: {}", api.base(), e.getMessage());
            return List.of();
        }
    }

    /** Where a run is there. */
    record RunPlace(String entity, String project, String run) {}

    private List<String> upload(RunPlace place, Map<String, Path> files) throws IOException {
        ObjectNode body = Json.MAPPER.createObjectNode().put("query", MUTATION);
        ArrayNode names = body.putObject("variables")
                .put("entity", place.entity())
                .put("project", place.project())
                .put("run", place.run())
                .putArray("files");
        files.keySet().forEach(names::add);
        JsonNode answer = api.post("/graphql", body);
        JsonNode error = answer.at("/errors/0/message");
        if (error.isTextual()) {
            throw new RefusedException(0, "it answered: " + api.shown(error.asText()));
        }
        JsonNode made = answer.at("/data/createRunFiles");
        Map<String, String> headers = new LinkedHashMap<>();
        for (JsonNode header : made.path("uploadHeaders")) {
            String[] both = header.asText().split(":", 2);
            if (both.length == 2) {
                headers.put(both[0].strip(), both[1].strip());
            }
        }
        Set<String> uploaded = new HashSet<>();
        for (JsonNode file : made.path("files")) {
            Path path = files.get(file.path("name").asText());
            if (path != null && put(file.path("uploadUrl").asText(), path, headers)) {
                uploaded.add(file.path("name").asText());
            }
        }
        return new ArrayList<>(
                files.keySet().stream().filter(uploaded::contains).toList());
    }

    private boolean put(String url, Path file, Map<String, String> headers) throws IOException {
        try {
            api.put(URI.create(url), Files.readAllBytes(file), headers);
            return true;
        } catch (NoSuchFileException e) {
            LOG.debug("{} is gone", file);
            return false;
        } catch (IllegalArgumentException e) {
            throw new RefusedException(0, "the url that it gave for a picture is none");
        }
    }
}
