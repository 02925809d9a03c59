package training.lora.trainer.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/** Through a proxy that answers for the servers behind it. */
class ProxyTest {
    @Test
    void proxyIsAskedWithItsPasswordAndNamesAreItsToResolve() throws IOException {
        List<String> asked = new CopyOnWriteArrayList<>();
        try (ServerSocket proxy = new ServerSocket(0, 8, InetAddress.getLoopbackAddress())) {
            Thread thread = new Thread(() -> serve(proxy, asked));
            thread.setDaemon(true);
            thread.start();
            Map<String, String> environment = Map.of(
                    "LORA_PVC_ROOT", "/pvc",
                    "LORA_SOURCES_ALLOW", "outside.invalid,inside.lan",
                    "HTTP_PROXY", "http://me:secret@127.0.0.1:" + proxy.getLocalPort());
            AddressGuard guard = AddressGuard.of(environment::get);
            try (Http http = new Http(environment::get, guard, () -> false)) {
                try (Http.Answer answer = http.get(URI.create("http://outside.invalid/file"), Map.of(), null)) {
                    assertThat(answer.status()).isEqualTo(200);
                    assertThat(answer.body().readAllBytes()).asString().isEqualTo("ok");
                }
                assertThatThrownBy(() -> http.get(URI.create("https://127.0.0.2/file"), Map.of(), null))
                        .isInstanceOf(RefusedAddressException.class);
            }
            String basic = Base64.getEncoder().encodeToString("me:secret".getBytes(StandardCharsets.UTF_8));
            assertThat(asked)
                    .last()
                    .asString()
                    .startsWith("GET http://outside.invalid/file HTTP/1.1")
                    .containsIgnoringCase("Proxy-Authorization: Basic " + basic);
        }
    }

    private static void serve(ServerSocket proxy, List<String> asked) {
        while (true) {
            try (Socket socket = proxy.accept()) {
                StringBuilder request = new StringBuilder();
                while (!request.toString().endsWith("\r\n\r\n")) {
                    int b = socket.getInputStream().read();
                    if (b < 0) {
                        break;
                    }
                    request.append((char) b);
                }
                asked.add(request.toString());
                boolean known = request.toString().toLowerCase().contains("proxy-authorization");
                socket.getOutputStream()
                        .write((known
                                        ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                                        : "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                                .getBytes(StandardCharsets.US_ASCII));
            } catch (IOException e) {
                return;
            }
        }
    }
}
