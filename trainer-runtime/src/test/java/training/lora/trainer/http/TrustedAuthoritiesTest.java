package training.lora.trainer.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrustedAuthoritiesTest {
    @TempDir
    Path folder;

    @Test
    void bundleIsTrustedBesideTheJvmsOwnAuthorities() throws Exception {
        Path keys = folder.resolve("keys.p12");
        Path bundle = folder.resolve("ca.pem");
        keytool(
                "-genkeypair",
                "-keyalg",
                "EC",
                "-alias",
                "x",
                "-dname",
                "CN=x",
                "-ext",
                "san=ip:127.0.0.1",
                "-validity",
                "2",
                "-keystore",
                keys.toString(),
                "-storepass",
                "secret");
        keytool(
                "-exportcert",
                "-rfc",
                "-alias",
                "x",
                "-file",
                bundle.toString(),
                "-keystore",
                keys.toString(),
                "-storepass",
                "secret");
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(keys)) {
            store.load(in, "secret".toCharArray());
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, "secret".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(factory.getKeyManagers(), null, null);
        HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        server.createContext("/", exchange -> {
            exchange.getResponseHeaders().set("Location", "http://127.0.0.1:1/plain");
            exchange.sendResponseHeaders(exchange.getRequestURI().getPath().equals("/down") ? 302 : 204, -1);
            exchange.close();
        });
        server.start();
        try {
            URI url = URI.create("https://127.0.0.1:" + server.getAddress().getPort());
            Map<String, String> environment = Map.of("LORA_CA_BUNDLE", bundle.toString());
            AddressGuard guard = AddressGuard.of(name -> null);
            try (Http http = new Http(environment::get, guard, () -> false)) {
                try (Http.Answer answer = http.get(url, Map.of(), null)) {
                    assertThat(answer.status()).isEqualTo(204);
                }
                assertThatThrownBy(() -> http.get(url.resolve("/down"), Map.of(), null))
                        .isInstanceOf(RedirectException.class)
                        .hasMessageContaining("redirects to http://127.0.0.1");
            }
            try (Http http = new Http(name -> null, guard, () -> false)) {
                assertThatThrownBy(() -> http.get(url, Map.of(), null)).isInstanceOf(SSLHandshakeException.class);
            }
            assertThat(issuers(TrustedAuthorities.managers(environment::get)))
                    .isEqualTo(issuers(TrustedAuthorities.managers(name -> null)) + 1);
        } finally {
            server.stop(0);
        }
    }

    private static int issuers(TrustManager[] managers) {
        int count = 0;
        for (TrustManager manager : managers) {
            count += manager instanceof X509TrustManager x509 ? x509.getAcceptedIssuers().length : 0;
        }
        return count;
    }

    @Test
    void bundleThatHasNoCertificateIsTold() throws Exception {
        Path empty = Files.writeString(folder.resolve("empty.pem"), "");
        for (Path bundle : new Path[] {empty, folder.resolve("missing.pem")}) {
            assertThatThrownBy(() -> TrustedAuthorities.managers(Map.of("LORA_CA_BUNDLE", bundle.toString())::get))
                    .hasMessageStartingWith("LORA_CA_BUNDLE must name a file of certificates in PEM, but " + bundle);
        }
    }

    @Test
    void bundleThatIsACommentAloneIsNone() throws Exception {
        Path bundle = Files.writeString(folder.resolve("none.pem"), "# nothing here\n");

        assertThat(issuers(TrustedAuthorities.managers(Map.of("LORA_CA_BUNDLE", bundle.toString())::get)))
                .isEqualTo(issuers(TrustedAuthorities.managers(name -> null)));
    }

    private static void keytool(String... arguments) throws Exception {
        java.util.List<String> line = new java.util.ArrayList<>(java.util.List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
        line.addAll(java.util.List.of(arguments));
        Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as(output).isZero();
    }
}
