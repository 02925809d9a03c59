package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryQuantityTest {
    @ParameterizedTest
    @CsvSource({
        "8Gi, 8589934592",
        "8G, 8000000000",
        "1.5Ki, 1536",
        "300, 300",
        "2e3, 2000",
        "5k, 5000",
        "1500m, 1",
        "1Ti, 1099511627776"
    })
    void quantitiesAreBytes(String quantity, long bytes) {
        assertThat(MemoryQuantity.bytes(quantity)).isEqualTo(bytes);
    }

    @Test
    void otherTextIsRefused() {
        assertThatThrownBy(() -> MemoryQuantity.bytes("8GB")).hasMessageContaining("8GB");
    }
}
