package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
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
    Output output(Owner owner, ClaimToken token) {
        return new Output(owner, token, store());
    }

    @Override
    OutputStore store() {
        return new BucketStore(bucket);
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
    void claimThatAnotherWroteOverOnesOwnStaysWhereTheServerKnowsNoConditions() throws IOException {
        String theirs = Json.PRETTY.writeValueAsString(Map.of(
                "version", "lora.training/publishing/v1", "owner", new Owner("default", "theirs"), "files", List.of()));
        try (FaultyLine line = FaultyLine.to(S3Server.running().port());
                S3Prefix far = S3Server.open(uri, line.endpoint())) {
            AtomicInteger puts = new AtomicInteger();
            line.faults(request -> {
                if (request.startsWith("PUT")) {
                    return puts.incrementAndGet() == 1 ? FaultyLine.Fault.answer(501, "NotImplemented") : null;
                }
                if (request.startsWith("GET") && request.contains(Output.PENDING) && puts.get() == 2) {
                    write(Output.PENDING, theirs);
                }
                return null;
            });
            Output output = new Output(MINE, token("work"), new BucketStore(far));

            assertOwned(
                    output::take,
                    "the output must be empty or this run's own, but %s/%s belongs to the training default/theirs, and this one is default/mine; take another %s, or delete what is there if nobody needs it"
                            .formatted(place(), Output.PENDING, option()));

            assertThat(puts.get()).isEqualTo(2);
        }
        assertThat(content()).isEqualTo(Map.of(Output.PENDING, theirs));
    }

    @Test
    void claimIsDeletedOnConditionThatItIsTheSameOnServersThatKnowThat() throws IOException {
        try (FaultyLine line = FaultyLine.to(S3Server.running().port());
                S3Prefix far = S3Server.open(uri, line.endpoint())) {
            Output output = new Output(MINE, token("work"), new BucketStore(far));
            output.take();
            line.faults(request ->
                    request.startsWith("DELETE") ? FaultyLine.Fault.answer(412, "PreconditionFailed") : null);

            output.release();

            assertThat(line.conditions().get(line.conditions().size() - 1)).matches("(?i)if-match: \"[^\"]+\"");
            assertThat(content()).containsOnlyKeys(Output.PENDING);
            AtomicInteger deletes = new AtomicInteger();
            line.faults(request -> request.startsWith("DELETE") && deletes.incrementAndGet() == 1
                    ? FaultyLine.Fault.answer(501, "NotImplemented")
                    : null);

            output.release();

            assertThat(deletes.get()).isEqualTo(2);
            assertThat(content()).isEmpty();
        }
    }

    @Test
    void whatIsThereByAnEarlierAttemptIsNotSentAgain() throws IOException {
        try (FaultyLine line = FaultyLine.to(S3Server.running().port());
                S3Prefix far = S3Server.open(uri, line.endpoint())) {
            Output output = new Output(MINE, token("work"), new BucketStore(far));
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
