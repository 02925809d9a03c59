package training.lora.operator.tls;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.CaFile;

/** A server with the operator's key and a client as trainers have it. */
final class CurrentKeyTest {
    private static final Duration MINUTE = Duration.ofMinutes(1);

    @TempDir
    Path folder;

    private final CurrentKey key = new CurrentKey();
    private HttpsServer server = start();

    private HttpsServer start() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[] {key}, null, null);
            HttpsServer started = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            started.setHttpsConfigurator(new HttpsConfigurator(context));
            started.createContext("/", exchange -> {
                exchange.getResponseHeaders().add("Connection", "close");
                exchange.sendResponseHeaders(204, -1);
                exchange.close();
            });
            started.start();
            return started;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private Path authorities = Path.of("");

    @BeforeEach
    void name() {
        authorities = folder.resolve("ca.crt");
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    /** The client lives through all of it, as a trainer's does. */
    @Test
    void aClientOutlivesARotation() throws Exception {
        Rotation rotation = new Rotation(List.of("127.0.0.1"), MINUTE.multipliedBy(10), MINUTE.multipliedBy(5), MINUTE);
        Instant now = Instant.now();
        HttpClient client =
                HttpClient.newBuilder().sslContext(CaFile.context(authorities)).build();

        TlsState first = rotation.step(null, now);
        serve(first);
        assertThat(get(client)).isEqualTo(204);

        TlsState told = rotation.step(first, now.plus(MINUTE.multipliedBy(5)));
        serve(told);
        assertThat(get(client)).isEqualTo(204);

        TlsState served = rotation.step(told, now.plus(MINUTE.multipliedBy(6)));
        serve(served);
        assertThat(served.current()).isEqualTo(requireNonNull(told.next()));
        assertThat(get(client)).isEqualTo(204);

        serve(rotation.step(served, now.plus(MINUTE.multipliedBy(7))));
        assertThat(get(client)).isEqualTo(204);
    }

    @Test
    void anotherAuthorityOrHostIsNotTrusted() throws Exception {
        Credential good = Issuer.issue(List.of("127.0.0.1"), Instant.now(), MINUTE);
        Credential other = Issuer.issue(List.of("127.0.0.1"), Instant.now(), MINUTE);
        Credential elsewhere = Issuer.issue(List.of("10.0.0.1"), Instant.now(), MINUTE);
        Credential expired = Issuer.issue(List.of("127.0.0.1"), Instant.now().minus(MINUTE), MINUTE.minusSeconds(1));

        serve(good, good);
        assertThat(get(client())).isEqualTo(204);
        serve(other, good);
        assertThatThrownBy(() -> get(client())).isInstanceOf(SSLException.class);
        serve(elsewhere, elsewhere);
        assertThatThrownBy(() -> get(client())).isInstanceOf(SSLException.class);
        serve(expired, expired);
        assertThatThrownBy(() -> get(client())).isInstanceOf(SSLException.class);
    }

    @Test
    void withoutAKeyThereIsNoConnection() throws Exception {
        Credential good = Issuer.issue(List.of("127.0.0.1"), Instant.now(), MINUTE);
        Files.writeString(authorities, good.authority());

        assertThatThrownBy(() -> get(client())).isInstanceOf(SSLException.class);
        key.serve(good);
        assertThat(get(client())).isEqualTo(204);
    }

    private HttpClient client() {
        return HttpClient.newBuilder().sslContext(CaFile.context(authorities)).build();
    }

    private void serve(TlsState state) throws Exception {
        key.serve(state.current());
        Files.writeString(authorities, state.authorities());
    }

    private void serve(Credential served, Credential trusted) throws Exception {
        key.serve(served);
        Files.writeString(authorities, trusted.authority());
    }

    private int get(HttpClient client) throws Exception {
        URI url = URI.create("https://127.0.0.1:" + server.getAddress().getPort() + "/");
        HttpRequest request =
                HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(10)).build();
        return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }
}
