package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

class PushTest {
    @TempDir
    Path folder;

    private static ProgressMessage message(int step) {
        return ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId("abc")
                .stage(Stage.Train)
                .attempt(1)
                .step(step)
                .steps(100)
                .time("2026-01-01T00:00:00Z")
                .metrics(List.of(Metric.of("loss", 0.05)))
                .build();
    }

    @Test
    void lastMessageArrivesWithTheTokenWhenTheStageEnds() throws IOException {
        List<ProgressMessage> received = new CopyOnWriteArrayList<>();
        List<String> tokens = new CopyOnWriteArrayList<>();
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            received.add(Json.MAPPER.readValue(exchange.getRequestBody(), ProgressMessage.class));
            tokens.add(exchange.getRequestHeaders().getFirst("Authorization"));
            byte[] answer = "{\"nextReportSeconds\": 30}".getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        Path token = Files.writeString(folder.resolve("token"), "secret\n");
        URI url = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");

        try (Push push = new Push(url, token)) {
            for (int step = 1; step <= 100; step++) {
                push.accept(message(step));
            }
        } finally {
            server.stop(0);
        }

        assertThat(received.get(received.size() - 1)).isEqualTo(message(100));
        assertThat(received.size()).isLessThan(10);
        assertThat(tokens).containsOnly("Bearer secret");
    }

    @Test
    void nobodyListeningHurtsNothing() throws IOException {
        Path token = Files.writeString(folder.resolve("token"), "secret");

        try (Push push = new Push(URI.create("http://127.0.0.1:9/"), token)) {
            push.accept(message(1));
        }
    }
}
