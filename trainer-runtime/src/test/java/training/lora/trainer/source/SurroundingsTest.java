package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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
    @ValueSource(strings = {"much", "-1", "1.5Gi", "64GB", "99999999999999999999"})
    void anythingElseIsRefused(String limit) {
        assertThatThrownBy(() -> limited(limit).limitBytes())
                .isInstanceOf(TrainerException.class)
                .hasMessage("LORA_SOURCES_LIMIT must be a whole number of bytes, or of Mi, Gi or Ti, was " + limit);
    }
}
