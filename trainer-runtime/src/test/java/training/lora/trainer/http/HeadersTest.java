package training.lora.trainer.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeadersTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "attachment; filename=\"model v2.safetensors\" | model v2.safetensors",
                "attachment; filename=model.safetensors | model.safetensors",
                "inline; FileName = \"a;b.zip\" ; size=3 | a;b.zip",
                "filename=\"a.zip\" | a.zip",
                "attachment; filename=\"fallback.zip\"; filename*=UTF-8''%e2%82%ac%20rates.zip | € rates.zip",
                "attachment; filename*=UTF-8''na%C3%AFve.zip; filename=\"naive.zip\" | naïve.zip",
                "attachment; filename*=ISO-8859-1'en'%A3.zip | £.zip",
                "attachment; filename*=nonsense; filename=\"b.zip\" | b.zip",
                "attachment; filename=\"../../etc/passwd\" | passwd",
                "attachment; filename=\"C:\\\\temp\\\\a.zip\" | a.zip",
                "attachment; filename=\"a\\\"b.zip\" | a_b.zip",
                "attachment; filename=\"..\" |",
                "attachment |"
            })
    void nameIsReadFromContentDisposition(String header, @Nullable String name) {
        assertThat(ContentDisposition.fileName(header)).isEqualTo(name);
    }

    @ParameterizedTest
    @CsvSource({"x, 188", "я, 94", "🐱, 47"})
    void longNameIsCutToBytesAndKeepsItsEnding(String letter, int kept) {
        String name = ContentDisposition.safe(letter.repeat(300) + ".safetensors");

        assertThat(name).isEqualTo(letter.repeat(kept) + ".safetensors");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "120 | 120",
                "0 | 0",
                "Sat, 28 Nov 2026 17:00:30 GMT | 30",
                "Sat, 28 Nov 2026 16:59:30 GMT | 0",
                "soon |",
                "-5 |"
            })
    void retryAfterIsSecondsOrADate(String header, @Nullable Integer seconds) {
        assertThat(RetryAfter.of(header, Instant.parse("2026-11-28T17:00:00Z")))
                .isEqualTo(seconds == null ? null : Duration.ofSeconds(seconds));
    }

    @ParameterizedTest
    @CsvSource({
        "https, huggingface.co, 443, secure.lan",
        "http, huggingface.co, 80, plain.lan",
        "https, nas.lan, 443,",
        "https, a.nas.lan, 443,",
        "https, 10.1.2.3, 443,",
        "https, other.lan, 8443,",
        "https, other.lan, 443, secure.lan"
    })
    void proxyIsThatOfTheEnvironment(String scheme, String host, int port, @Nullable String proxy) {
        Proxies proxies = Proxies.of(Map.of(
                "HTTPS_PROXY", "http://me:p%40ss@secure.lan:3128",
                "http_proxy", "plain.lan:8080",
                "NO_PROXY", "nas.lan, 10.0.0.0/8,other.lan:8443")::get);

        Proxies.Proxy found = proxies.of(scheme, host, port);

        assertThat(found == null ? null : found.host()).isEqualTo(proxy);
        if (found != null && scheme.equals("https")) {
            assertThat(found).isEqualTo(new Proxies.Proxy("http", "secure.lan", 3128, "me", "p@ss"));
        }
    }

    @Test
    void urlsAreReadAsBrowsersDo() {
        assertThat(Urls.of("https://example.com/a b/ü.zip?x=[1]%20"))
                .isEqualTo(URI.create("https://example.com/a%20b/%C3%BC.zip?x=[1]%20"));
        assertThat(Urls.encode("refs/pr/1 ü")).isEqualTo("refs%2Fpr%2F1%20%C3%BC");
    }
}
