package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Owner;
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
