package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

class SurroundingsTest {
    private static Surroundings limited(String limit) {
        return new Surroundings(Map.of("LORA_SOURCES_LIMIT", limit)::get, () -> false);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1",
        "68719476736, 68719476736",
        "64Gi, 68719476736",
        "2Ki, 2048",
        "3Mi, 3145728",
        "1Ti, 1099511627776"
    })
    void limitIsInBytesOrInUnitsAsTheOperatorsIs(String limit, long bytes) {
        assertThat(limited(limit).limitBytes()).isEqualTo(bytes);
    }

    @Test
    void withoutALimitItIs200GiB() {
        assertThat(new Surroundings(name -> null, () -> false).limitBytes()).isEqualTo(200L << 30);
    }

    @ParameterizedTest
    @CsvSource({"LORA_SOURCE_ALLOW, LORA_SOURCES_ALLOW", "LORA_SOURCE_LIMIT_BYTES, LORA_SOURCES_LIMIT"})
    void variableUnderItsFormerNameIsRefusedAndNotIgnored(String former, String name) {
        assertThatThrownBy(() -> new Surroundings(Map.of(former, "1")::get, () -> false))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessage(
                        "%s must not be set, since it is called %s now and would be ignored".formatted(former, name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"much", "-1", "1.5Gi", "64GB", "99999999999999999999"})
    void anythingElseIsRefused(String limit) {
        assertThatThrownBy(() -> limited(limit).limitBytes())
                .isInstanceOf(TrainerException.class)
                .hasMessage("LORA_SOURCES_LIMIT must be a whole number of bytes, or of Mi, Gi or Ti, was " + limit);
    }
}
