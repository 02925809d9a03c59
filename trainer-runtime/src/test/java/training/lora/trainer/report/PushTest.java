package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
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

        try (Push push = new Push(url, token, null)) {
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

        try (Push push = new Push(URI.create("http://127.0.0.1:9/"), token, null)) {
            push.accept(message(1));
        }
    }

    @Test
    void aReportGoesOnlyToWhomTheFileTrusts() throws Exception {
        List<ProgressMessage> received = new CopyOnWriteArrayList<>();
        HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(identity("operator")));
        server.createContext("/", exchange -> {
            received.add(Json.MAPPER.readValue(exchange.getRequestBody(), ProgressMessage.class));
            exchange.sendResponseHeaders(204, -1);
            exchange.close();
        });
        server.start();
        identity("other");
        Path token = Files.writeString(folder.resolve("token"), "secret");
        URI url = URI.create("https://127.0.0.1:" + server.getAddress().getPort() + "/");

        try (Push push = new Push(url, token, folder.resolve("other.pem"))) {
            push.accept(message(1));
        }
        try (Push push = new Push(url, token, folder.resolve("operator.pem"))) {
            push.accept(message(2));
        } finally {
            server.stop(0);
        }

        assertThat(received).containsExactly(message(2));
    }

    /** Makes NAME.pem too. */
    private SSLContext identity(String name) throws Exception {
        Path store = folder.resolve(name + ".p12");
        keytool("-genkeypair", "-keyalg", "EC", "-dname", "CN=" + name, "-ext", "san=ip:127.0.0.1", store);
        keytool("-exportcert", "-rfc", "-file", folder.resolve(name + ".pem"), store);
        KeyStore keys = KeyStore.getInstance(store.toFile(), "secret".toCharArray());
        KeyManagerFactory managers = KeyManagerFactory.getInstance("PKIX");
        managers.init(keys, "secret".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    private static void keytool(Object... arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        for (Object argument : arguments) {
            if (argument == arguments[arguments.length - 1]) {
                command.addAll(List.of("-alias", "a", "-storepass", "secret", "-keystore"));
            }
            command.add(argument.toString());
        }
        assertThat(new ProcessBuilder(command).inheritIO().start().waitFor()).isZero();
    }
}
