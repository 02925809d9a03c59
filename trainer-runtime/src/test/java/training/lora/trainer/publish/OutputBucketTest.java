package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.s3.FaultyLine;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.s3.S3Server;

/** {@link OutputLaws} in a bucket, and what there is in buckets alone. */
class OutputBucketTest extends OutputLaws {
    private final String uri;
    private final S3Prefix bucket;

    OutputBucketTest() throws IOException {
        S3Server server = S3Server.running();
        uri = "s3://" + server.newBucket() + "/loras/mine";
        bucket = server.open(uri);
    }

    @AfterEach
    void close() {
        bucket.close();
    }

    @Override
    Output output(Owner owner) {
        return new Output(owner, new BucketStore(bucket));
    }

    @Override
    Map<String, String> content() {
        Map<String, String> content = new TreeMap<>();
        for (S3Prefix.Entry entry : bucket.list("")) {
            content.put(
                    entry.name(),
                    new String(Objects.requireNonNull(bucket.read(entry.name())), StandardCharsets.UTF_8));
        }
        return content;
    }

    @Override
    void write(String name, String text) {
        bucket.write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    void delete(String name) {
        bucket.delete(name);
    }

    @Override
    String place() {
        return uri;
    }

    @Override
    String option() {
        return "`spec.output.uri`";
    }

    @Test
    void onlyOneOfManyOwnersTakesAPlace() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        try {
            List<Callable<String>> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                String name = "owner-" + i;
                all.add(() -> {
                    try {
                        output(new Owner("default", name)).take();
                        return name;
                    } catch (TrainerException e) {
                        assertThat(e.reason()).isEqualTo(Reason.OutputOwned);
                        return "";
                    }
                });
            }
            List<String> winners = new ArrayList<>();
            for (Future<String> one : pool.invokeAll(all)) {
                if (!one.get().isEmpty()) {
                    winners.add(one.get());
                }
            }

            assertThat(winners).hasSize(1);
            assertThat(content().get(Output.PENDING)).contains(winners.get(0));
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void whatIsThereByAnEarlierAttemptIsNotSentAgain() throws IOException {
        try (FaultyLine line = FaultyLine.to(S3Server.running().port());
                S3Prefix far = S3Server.open(uri, line.endpoint())) {
            Output output = new Output(MINE, new BucketStore(far));
            Map<String, java.nio.file.Path> files = sources("one", "mine.safetensors", "proof.json", CHECKPOINT);
            output.replace(files);
            delete("proof.json");
            int before = line.requests().size();

            output.replace(files);

            assertThat(line.requests().subList(before, line.requests().size()).stream()
                            .filter(request -> request.startsWith("PUT"))
                            .map(request ->
                                    request.replaceFirst(".*/mine/|\\?.*", "").replaceFirst("\\?.*", "")))
                    .containsExactlyInAnyOrder(Output.PENDING, "proof.json");
        }
    }
}
