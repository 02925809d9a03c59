package training.lora.e2e.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.List;
import java.util.stream.Stream;

/** What the API server noted of a user's requests. */
final class Audit {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Audit() {}

    /**
     * A request.
     *
     * @param resource with its group and subresource, as {@code loratrainings.lora.training/status}
     */
    record Call(String verb, String resource, String namespace, String name, boolean allowed) {
        /** Verb and resource. */
        String what() {
            return verb + " " + resource;
        }
    }

    static List<Call> of(Kube cluster, String user) {
        try (Stream<String> lines =
                Files.lines(cluster.scripts().run().resolve("logs").resolve("audit.log"))) {
            return lines.map(Audit::parse)
                    .filter(e -> e.at("/user/username").asText().equals(user) && e.has("objectRef"))
                    .map(Audit::call)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JsonNode parse(String line) {
        try {
            return JSON.readTree(line);
        } catch (IOException e) {
            // The last line, which is being written.
            return JSON.createObjectNode();
        }
    }

    private static Call call(JsonNode event) {
        JsonNode object = event.get("objectRef");
        return new Call(
                event.get("verb").asText(),
                resource(
                        object.path("apiGroup").asText(),
                        object.path("resource").asText(),
                        object.path("subresource").asText()),
                object.path("namespace").asText(),
                object.path("name").asText(),
                !event.at("/annotations/authorization.k8s.io~1decision")
                        .asText()
                        .equals("forbid"));
    }

    static String resource(String group, String resource, String subresource) {
        return resource + (group.isEmpty() ? "" : "." + group) + (subresource.isEmpty() ? "" : "/" + subresource);
    }
}
