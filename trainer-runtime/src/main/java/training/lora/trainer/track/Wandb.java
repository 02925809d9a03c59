package training.lora.trainer.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.RunSpec;
import training.lora.api.Stage;
import training.lora.api.WandbSpec;
import training.lora.trainer.report.TensorBoard;

/**
 * What the client of Weights & Biases tells its server: a run by GraphQL, then lines of its history and the newest value of each
 * metric through the run's file stream, and pictures to urls that it gives. A line is one of the history. It takes no steps back: of one that is done again, the
 * first values stay.
 */
final class Wandb implements Service {
    private static final String STEP = "_step";

    private static final String TIME = "_timestamp";

    private static final String CHECKPOINT = "checkpoint/";

    private static final String MUTATION = """
            mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String, \
            $config: JSONString, $state: String) {
              upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, displayName: $displayName, \
            config: $config, state: $state}) {
                bucket { id name project { name entity { name } } }
              }
            }
            """;

    private final WandbSpec spec;
    private final RunSpec run;
    private final Api api;
    private final WandbPictures pictures;
    private final ObjectNode summary = Json.MAPPER.createObjectNode();
    private long lastStep = -1;
    private double began = Double.NaN;

    /** @param drawn where pictures of a step are */
    Wandb(WandbSpec spec, RunSpec run, Api api, TensorBoard.Pictures drawn) {
        this.spec = spec;
        this.run = run;
        this.api = api;
        this.pictures = new WandbPictures(api, drawn);
    }

    @Override
    public String name() {
        return "Weights & Biases";
    }

    @Override
    public String where() {
        return "%s %s"
                .formatted(api.base(), spec.entity() == null ? spec.project() : spec.entity() + "/" + spec.project());
    }

    @Override
    public String file() {
        return "wandb-history.jsonl";
    }

    @Override
    public void earlier(String line) {
        JsonNode before = parsed(line);
        lastStep = before.path(STEP).asLong(lastStep);
        if (Double.isNaN(began)) {
            began = before.path(TIME).asDouble(began);
        }
        summarize(before);
    }

    private static JsonNode parsed(String line) {
        try {
            return Json.MAPPER.readTree(line);
        } catch (IOException e) {
            throw new IllegalStateException("a line of the history is no JSON: " + line, e);
        }
    }

    private void summarize(JsonNode line) {
        line.fields().forEachRemaining(field -> summary.set(field.getKey(), field.getValue()));
    }

    @Override
    public void anew() {
        summary.removeAll();
        lastStep = -1;
        began = Double.NaN;
    }

    @Override
    public @Nullable String line(Point point) {
        boolean trains = point.stage() == Stage.Train;
        if (trains && point.step() <= lastStep
                || point.metrics().isEmpty() && point.pictures().isEmpty()) {
            return null;
        }
        lastStep = trains ? point.step() : lastStep + 1;
        double time = point.time() / 1e3;
        began = Double.isNaN(began) ? time : began;
        ObjectNode line = Json.MAPPER.createObjectNode();
        line.put(STEP, lastStep).put(TIME, time).put("_runtime", time - began);
        for (Map.Entry<String, Double> metric : point.metrics().entrySet()) {
            line.putPOJO(metric.getKey(), Point.json(metric.getValue()));
            if (metric.getKey().startsWith(CHECKPOINT)) {
                // That of the history goes on; an evaluation goes back to each checkpoint.
                line.put(CHECKPOINT + "step", point.step());
            }
        }
        pictures.name(point, line);
        return line.toString();
    }

    @Override
    public Told begin(Told told) throws IOException {
        if (!api.hasKey()) {
            throw new RefusedException(0, api.needsKey());
        }
        String name = told.remote() == null
                ? UUID.randomUUID().toString().replace("-", "").substring(0, 12)
                : told.remote();
        ObjectNode variables = Json.MAPPER.createObjectNode();
        variables.put("name", name);
        variables.put("project", spec.project());
        variables.put("entity", spec.entity());
        variables.put("displayName", spec.runName() == null ? run.owner().name() : spec.runName());
        variables.put("config", config());
        variables.put("state", "running");
        ObjectNode body = Json.MAPPER.createObjectNode().put("query", MUTATION);
        body.set("variables", variables);
        JsonNode answer = api.post("/graphql", body);
        JsonNode error = answer.at("/errors/0/message");
        if (error.isTextual()) {
            throw new RefusedException(0, "it answered: " + api.shown(error.asText()));
        }
        JsonNode bucket = answer.at("/data/upsertBucket/bucket");
        String project = bucket.at("/project/name").asText();
        String entity = bucket.at("/project/entity/name").asText();
        if (project.isEmpty() || entity.isEmpty()) {
            throw new IOException("its answer names no run");
        }
        return ToldBuilder.builder(told)
                .remote(bucket.path("name").asText(name))
                .place("/files/%s/%s/".formatted(entity, project))
                .build();
    }

    private String config() {
        ObjectNode config = Json.MAPPER.createObjectNode();
        Parameters.of(run).fields().forEachRemaining(field -> config.putObject(field.getKey())
                .set("value", field.getValue()));
        return config.toString();
    }

    @Override
    public void send(Told told, List<String> lines) throws IOException {
        ObjectNode body = Json.MAPPER.createObjectNode();
        ObjectNode files = body.putObject("files");
        // Lines that arrive twice, since an answer was lost, take the same places.
        ObjectNode history = files.putObject("wandb-history.jsonl").put("offset", told.lines());
        ArrayNode content = history.putArray("content");
        lines.forEach(content::add);
        lines.forEach(line -> summarize(parsed(line)));
        files.putObject("wandb-summary.json")
                .put("offset", 0)
                .putArray("content")
                .add(summary.toString());
        List<String> uploaded = new ArrayList<>();
        for (String line : lines) {
            uploaded.addAll(pictures.upload(place(told), parsed(line)));
        }
        if (!uploaded.isEmpty()) {
            ArrayNode names = body.putArray("uploaded");
            uploaded.forEach(names::add);
        }
        stream(told, body);
    }

    /** As {@link #begin} has put it together. */
    private static WandbPictures.RunPlace place(Told told) {
        String[] parts = String.valueOf(told.place()).split("/");
        return new WandbPictures.RunPlace(parts[2], parts[3], String.valueOf(told.remote()));
    }

    private void stream(Told told, ObjectNode body) throws IOException {
        body.put("dropped", 0);
        api.post(told.place() + told.remote() + "/file_stream", body);
    }

    /** A run that is silent for long counts as crashed. */
    @Override
    public void alive(Told told) throws IOException {
        stream(told, Json.MAPPER.createObjectNode().put("complete", false).put("failed", false));
    }

    @Override
    public void end(Told told, Ending ending) throws IOException {
        int code =
                switch (ending) {
                    case Finished -> 0;
                    case Failed -> 1;
                    // What the client says of Ctrl-C.
                    case Interrupted -> 255;
                };
        ObjectNode body = Json.MAPPER.createObjectNode().put("complete", true).put("exitcode", code);
        body.putArray("uploaded");
        stream(told, body);
    }

    @Override
    public void close() throws IOException {
        api.close();
    }
}
