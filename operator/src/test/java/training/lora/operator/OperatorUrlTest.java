package training.lora.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class OperatorUrlTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://lora-operator.lora-system.svc",
                "http://10.0.0.1:8080",
                "http://127.0.0.1.example.com",
                "lora-operator.lora-system.svc",
                "ftp://127.0.0.1",
                "https:///path"
            })
    void tokensDoNotTravelInPlainText(String url) {
        assertThatThrownBy(() -> OperatorUrl.of(config(url)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "`lora.operator.url` must begin with https:// unless its host is 127.0.0.1, since pods send their tokens there, was \"%s\"",
                        url);
    }

    @ParameterizedTest
    @ValueSource(strings = {"http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"})
    void withinTheMachineTheyMay(String url) {
        assertThat(OperatorUrl.of(config(url))).contains(url);
    }

    @Test
    void aServiceHasItsNameInTheClustersDomainToo() {
        OperatorConfig config = config("https://lora-operator.lora-system.svc/");

        assertThat(OperatorUrl.of(config)).contains("https://lora-operator.lora-system.svc");
        assertThat(OperatorUrl.hosts(config))
                .containsExactly("lora-operator.lora-system.svc", "lora-operator.lora-system.svc.cluster.local");
        assertThat(OperatorUrl.hosts(config("https://10.0.0.1:8443"))).containsExactly("10.0.0.1");
    }

    private static OperatorConfig config(String url) {
        return TestConfig.of(Map.of("LORA_OPERATOR_URL", url));
    }
}
