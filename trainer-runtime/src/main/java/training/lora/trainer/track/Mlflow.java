package training.lora.trainer.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.MlflowSpec;
import training.lora.api.RunSpec;

/**
 * MLflow's REST API 2.0. A line is what a call of runs/log-batch has for a step, but for the run's id; one with artifacts names
 * pictures, which are put where the server stores artifacts itself.
 */
final class Mlflow implements Service {
    private static final Logger LOG = LoggerFactory.getLogger(Mlflow.class);

    private static final String PATH = "/api/2.0/mlflow/";

    private static final String ARTIFACTS = "mlflow-artifacts";

    /** The API's limits for a call. */
    private static final int MOST_METRICS = 1000;

    private static final int MOST_PARAMS = 100;

    /** Of a value; newer servers take more. */
    private static final int LONGEST = 500;

    private final MlflowSpec spec;
    private final RunSpec run;
    private final Api api;
    private final Path train;
    private boolean withoutPictures;

    /** @param train the train stage's folder, which has the pictures */
    Mlflow(MlflowSpec spec, RunSpec run, Api api, Path train) {
        this.spec = spec;
        this.run = run;
        this.api = api;
        this.train = train;
    }

    @Override
    public String name() {
        return "MLflow";
    }

    @Override
    public String where() {
        return api.base() + " " + spec.experiment();
    }

    @Override
    public String file() {
        return "mlflow.jsonl";
    }

    @Override
    public void earlier(String line) {
        // A step may be told twice; the newer value counts.
    }

    @Override
    public void anew() {
        // Nothing is remembered.
    }

    @Override
    public @Nullable String line(Point point) {
        ObjectNode line = Json.MAPPER.createObjectNode();
        ArrayNode metrics = line.putArray("metrics");
        point.metrics().forEach((name, value) -> metrics.addObject()
                .put("key", name)
                .putPOJO("value", Point.json(value))
                .put("timestamp", point.time())
                .put("step", point.step()));
        if (!point.pictures().isEmpty()) {
            ArrayNode artifacts = line.putArray("artifacts");
            point.pictures()
                    .forEach(file ->
                            artifacts.add(train.relativize(file).toString().replace('\\', '/')));
        }
        return line.toString();
    }

    @Override
    public Told begin(Told told) throws IOException {
        if (told.remote() != null) {
            update(told.remote(), "RUNNING", null);
            return told;
        }
        ObjectNode body = Json.MAPPER.createObjectNode();
        body.put("experiment_id", experiment());
        body.put("run_name", runName());
        body.put("start_time", Instant.now().toEpochMilli());
        ArrayNode tags = body.putArray("tags");
        // Servers before 1.30 have the name in a tag.
        tag(tags, "mlflow.runName", runName());
        tag(tags, "mlflow.source.name", "lora-trainer");
        tag(tags, "lora.training.run", run.runId());
        JsonNode info = api.post(PATH + "runs/create", body).at("/run/info");
        String remote = info.path("run_id").asText();
        if (remote.isEmpty()) {
            throw new IOException("its answer to runs/create had no run_id");
        }
        return ToldBuilder.builder(told)
                .remote(remote)
                .place(info.path("artifact_uri").asText(null))
                .build();
    }

    private String runName() {
        return spec.runName() == null ? run.owner().name() : spec.runName();
    }

    private static void tag(ArrayNode tags, String key, String value) {
        tags.addObject().put("key", key).put("value", value);
    }

    private String experiment() throws IOException {
        String id = known();
        if (id != null) {
            return id;
        }
        try {
            ObjectNode body = Json.MAPPER.createObjectNode().put("name", spec.experiment());
            return api.post(PATH + "experiments/create", body)
                    .path("experiment_id")
                    .asText();
        } catch (RefusedException e) {
            // Another run may have made it meanwhile.
            id = known();
            if (id == null) {
                throw e;
            }
            return id;
        }
    }

    private @Nullable String known() throws IOException {
        try {
            String name = URLEncoder.encode(spec.experiment(), StandardCharsets.UTF_8);
            return api.get(PATH + "experiments/get-by-name?experiment_name=" + name)
                    .at("/experiment/experiment_id")
                    .asText(null);
        } catch (RefusedException e) {
            if (e.status() == 404) {
                return null;
            }
            throw e;
        }
    }

    private void parameters(String remote) throws IOException {
        ArrayNode params = Json.MAPPER.createArrayNode();
        for (Map.Entry<String, String> parameter : Parameters.flat(run).entrySet()) {
            String value = parameter.getValue();
            tag(params, parameter.getKey(), value.length() <= LONGEST ? value : value.substring(0, LONGEST));
            if (params.size() == MOST_PARAMS) {
                batch(remote, "params", params);
                params.removeAll();
            }
        }
        batch(remote, "params", params);
    }

    private void batch(String remote, String what, ArrayNode values) throws IOException {
        if (!values.isEmpty()) {
            ObjectNode body = Json.MAPPER.createObjectNode().put("run_id", remote);
            body.set(what, values);
            api.post(PATH + "runs/log-batch", body);
        }
    }

    @Override
    public void send(Told told, List<String> lines) throws IOException {
        String remote = String.valueOf(told.remote());
        if (told.lines() == 0) {
            parameters(remote);
        }
        ArrayNode metrics = Json.MAPPER.createArrayNode();
        for (String line : lines) {
            for (JsonNode metric : Json.MAPPER.readTree(line).path("metrics")) {
                metrics.add(metric);
                if (metrics.size() == MOST_METRICS) {
                    batch(remote, "metrics", metrics);
                    metrics.removeAll();
                }
            }
        }
        batch(remote, "metrics", metrics);
        for (String line : lines) {
            for (JsonNode artifact : Json.MAPPER.readTree(line).path("artifacts")) {
                picture(told, artifact.asText());
            }
        }
    }

    private void picture(Told told, String name) throws IOException {
        if (withoutPictures) {
            return;
        }
        URI place = told.place() == null ? null : URI.create(told.place());
        if (place == null || !ARTIFACTS.equals(place.getScheme())) {
            withoutPictures("it keeps artifacts elsewhere than on the server (%s)"
                    .formatted(place == null ? "unknown" : place.getScheme()));
            return;
        }
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(train.resolve(name));
        } catch (NoSuchFileException e) {
            LOG.debug("{} is gone", name);
            return;
        }
        try {
            api.put("/api/2.0/mlflow-artifacts/artifacts" + place.getRawPath() + "/" + name, bytes);
        } catch (RefusedException e) {
            withoutPictures(String.valueOf(e.getMessage()));
        }
    }

    private void withoutPictures(String why) {
        withoutPictures = true;
        LOG.warn("MLflow {} gets no pictures: {}", where(), why);
    }

    @Override
    public void alive(Told told) {
        // A run is RUNNING until it is said to be something else.
    }

    @Override
    public void end(Told told, Ending ending) throws IOException {
        String status =
                switch (ending) {
                    case Finished -> "FINISHED";
                    case Failed -> "FAILED";
                    case Interrupted -> "KILLED";
                };
        update(String.valueOf(told.remote()), status, Instant.now());
    }

    private void update(String remote, String status, @Nullable Instant end) throws IOException {
        ObjectNode body = Json.MAPPER.createObjectNode().put("run_id", remote).put("status", status);
        if (end != null) {
            body.put("end_time", end.toEpochMilli());
        }
        api.post(PATH + "runs/update", body);
    }

    @Override
    public void close() throws IOException {
        api.close();
    }
}
