package training.lora.trainer.dataset;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
        assertThat(drawn("{{{a|b}}}")).containsExactlyInAnyOrder("{a}", "{b}");
        assertThat(drawn("{{{{{a|b}}}}}")).containsExactlyInAnyOrder("{{a}}", "{{b}}");
        assertThat(drawn("{a|b {{x}}}")).containsExactlyInAnyOrder("a", "b {x}");
        assertThat(drawn("{a|b}}}")).containsExactlyInAnyOrder("a", "b}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "a {red|blue robot; the { at character 3 is not closed",
                "a red|blue} robot; the } at character 11 closes nothing",
                "{a|b} {{c} d}; the } at character 10 closes nothing",
                "{a {b|c}; the { at character 1 is not closed",
                "{a|b}}; the { at character 1 is not closed",
                "a {red|blue} {{robot}} {x {y|z} w}; ",
                "{{{a|b}}}; ",
                "{{{a|b}}; the { at character 3 is not closed",
                "{{a|b}}}; the } at character 8 closes nothing",
                "a cat; "
            })
    void bracesAreClosedOrText(String line, @Nullable String problem) {
        assertThat(Wildcards.unpaired(line)).isEqualTo(problem);
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
