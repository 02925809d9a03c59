package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Tokens and Secrets, and where redirects may lead. */
class HttpAccessTest extends HttpFetchingTests {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "false | ; for a place that isn't, name a Secret in `spec.baseModel.secretRef` and put its token into the file LORA_SECRETS/NAME/token",
                "true | ; for a place that isn't, name a Secret with the key token in `spec.baseModel.secretRef`",
            })
    void refusalSaysHowATokenIsGivenHere(boolean pod, String remedy) {
        server.on("/m", exchange -> exchange.fail(401, Map.of()));
        if (pod) {
            fetching.with("LORA_PVC_ROOT", "/pvc").with("LORA_SOURCES_ALLOW", "127.0.0.0/8");
        }

        assertThat(fetching.refused(model(server.url("/m")))).hasMessageEndingWith(remedy);
    }

    @Test
    void secretWithoutAnyKeyIsToldAsThat() throws IOException {
        secret("civitai", ".hidden", "none");

        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret with the keys token, username and password, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, but civitai has none of them");
    }

    @Test
    void tokenGoesToTheNamedHostAlone() throws IOException {
        secret("civitai", "token", "t0k3n");
        try (TestServer store = new TestServer()) {
            // A presigned url refuses a second authorization, as S3 does.
            store.on("/stored", exchange -> {
                if (exchange.header("Authorization") != null) {
                    exchange.fail(400, Map.of());
                } else {
                    exchange.set("Content-Disposition", "attachment; filename=\"My LoRA.safetensors\"");
                    exchange.file(body, ETAG, Integer.MAX_VALUE);
                }
            });
            server.on("/here", exchange -> exchange.fail(307, Map.of("Location", "/there")));
            server.on("/there", exchange -> {
                boolean known = "Bearer t0k3n".equals(exchange.header("Authorization"));
                exchange.fail(known ? 302 : 401, known ? Map.of("Location", store.url("/stored")) : Map.of());
            });

            Path file = fetching.path(model(server.url("/here"), null, "civitai"));

            assertThat(file).hasBinaryContent(body).hasFileName("My LoRA.safetensors");
            assertThat(store.requests())
                    .extracting(TestServer.Request::authorization)
                    .containsOnlyNulls();
            assertThat(store.requests()).extracting(TestServer.Request::method).containsOnly("GET");
            assertThat(fetching.refused(model(server.url("/here"))))
                    .hasMessageContaining("; for a place that isn't, name a Secret in `spec.baseModel.secretRef`");
        }
    }

    @Test
    void userAndPasswordAreSentAsBasic() throws IOException {
        secret("nas", "username", "me");
        secret("nas", "password", "pässword");
        server.file("/m", body, ETAG);

        fetching.path(model(server.url("/m"), null, "nas"));

        assertThat(server.requests())
                .extracting(TestServer.Request::authorization)
                .containsOnly("Basic bWU6cMOkc3N3b3Jk");
    }

    @Test
    void secretThatIsNotThereOrLacksItsKeysIsTold() throws IOException {
        server.file("/m", body, ETAG);
        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` names the Secret civitai, of which this machine knows nothing: LORA_SECRETS must name a folder with civitai/token");
        secret("nas", "username", "me");
        assertThat(fetching.refused(model(server.url("/m"), null, "nas")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret with token, or username and password, but nas has [username]");
        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret that the run is given, with the keys token, username and password, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, but there is no civitai in "
                                + folder.resolve("secrets"));
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void redirectsThatLeadNowhereAreTold() {
        server.on("/a", exchange -> exchange.fail(302, Map.of("Location", "/b")));
        server.on("/b", exchange -> exchange.fail(302, Map.of("Location", "/a")));
        server.on("/file", exchange -> exchange.fail(302, Map.of("Location", "file:///etc/passwd")));
        for (int i = 0; i < 20; i++) {
            int next = i + 1;
            server.on("/" + i, exchange -> exchange.fail(302, Map.of("Location", "/" + next)));
        }

        assertThat(fetching.refused(model(server.url("/a")))).hasMessageContaining("leads in a circle");
        assertThat(fetching.refused(model(server.url("/0")))).hasMessageContaining("is redirected more than 10 times");
        assertThat(fetching.refused(model(server.url("/file")))).hasMessageContaining("redirects to file");
    }

    @Test
    void podFollowsNoRedirectToAPrivateAddress() throws IOException {
        try (TestServer inside = new TestServer()) {
            inside.file("/secret", body, ETAG);
            server.on("/m", exchange -> exchange.fail(302, Map.of("Location", inside.url("/secret"))));
            server.on(
                    "/meta",
                    exchange -> exchange.fail(302, Map.of("Location", "https://169.254.169.254/latest/meta-data")));
            fetching.with("LORA_PVC_ROOT", "/pvc").with("LORA_SOURCES_ALLOW", "127.0.0.1:" + server.port());

            TrainerException plain = fetching.refused(model(server.url("/m")));
            TrainerException metadata = fetching.refused(model(server.url("/meta")));

            assertThat(plain.reason()).isEqualTo(Reason.InvalidConfiguration);
            assertThat(plain).hasMessageContaining("must be https://, or its host be one that the platform allows");
            // https to http is refused as such; this redirect is to https.
            assertThat(metadata)
                    .hasMessageContaining("must not lead to a private address, but 169.254.169.254 is 169.254.169.254");
            assertThat(inside.requests()).isEmpty();
            fetching.with("LORA_SOURCES_ALLOW", "127.0.0.1");
            assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);
        }
    }

    @Test
    void signatureOfAUrlIsInNoFile() throws IOException {
        server.file("/m", body, ETAG);

        fetching.path(model(server.url("/m?X-Amz-Signature=SECRET")));

        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(Files::isRegularFile)).hasSizeGreaterThan(2).noneMatch(file -> bytes(file)
                    .contains("SECRET"));
        }
    }
}
