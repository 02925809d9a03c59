package training.lora.trainer.dataset;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class WildcardsTest {
    private static java.util.Set<String> drawn(String... lines) {
        SplittableRandom random = new SplittableRandom(1);
        return Stream.generate(() -> Wildcards.draw(List.of(lines), random))
                .limit(200)
                .collect(Collectors.toSet());
    }

    @Test
    void everyLineAndEveryChoiceIsDrawnAndNothingElse() {
        assertThat(drawn("a {red|green} {cat|dog}", "b"))
                .containsExactlyInAnyOrder("a red cat", "a green cat", "a red dog", "a green dog", "b");
    }

    @Test
    void anEmptyChoiceLeavesNoSpaceBehindAndDoubledBracesAreText() {
        assertThat(drawn("a {|big} cat")).containsExactlyInAnyOrder("a cat", "a big cat");
        assertThat(drawn("{{a|b}} {c}")).containsExactly("{a|b} c");
    }

    @Test
    void theFirstStandsForAll() {
        assertThat(Wildcards.first(List.of("a {red|green} cat", "b"))).isEqualTo("a red cat");
        assertThat(Wildcards.longest(List.of("a {red|green} cat", "b"))).containsExactly("a green cat", "b");
        assertThat(Wildcards.first(List.of(Wildcards.escaped("a {red|green} {{cat}"))))
                .isEqualTo("a {red|green} {{cat}");
        assertThat(Wildcards.vary(List.of("a cat"))).isFalse();
        assertThat(Wildcards.vary(List.of("a {cat|dog}"))).isTrue();
        assertThat(Wildcards.vary(List.of("a {{cat}}"))).isFalse();
    }
}
