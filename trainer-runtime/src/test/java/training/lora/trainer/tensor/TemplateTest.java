package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

class TemplateTest {
    @Test
    void holesAreFilledByNameAndValuesAreNotFilledAgain() {
        assertThat(Template.fill("y{i} = torch.mul({x}, {s})", Map.of("i", 3, "x", "f({i}) $1", "s", 0.5)))
                .isEqualTo("y3 = torch.mul(f({i}) $1, 0.5)");
    }

    @Test
    void holeWithoutAValueIsRefused() {
        assertThatThrownBy(() -> Template.fill("{x} {y}", Map.of("x", 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the hole {y} must have a value");
    }
}
