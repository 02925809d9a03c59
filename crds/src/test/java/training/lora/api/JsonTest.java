package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'a: [1\nb: 2\n' | 'while parsing a flow sequence, expected '','' or '']'', but got : at line 2'",
                "'a: 1\n\tb: 2\n' | 'while scanning for the next token, found character ''\\t(TAB)'' that cannot start any token. (Do not use \\t(TAB) for indentation) at line 2'",
                "'a: 1\na: 2\n' | 'Duplicate field ''a'' at line 2'",
                "'{\"a\": ' | 'while parsing a flow node, expected the node content, but found ''<stream end>'' at line 1'",
            })
    void problemOfATextSaysWhatIsWrongAndWhere(String text, String problem) {
        JsonProcessingException e =
                catchThrowableOfType(JsonProcessingException.class, () -> Json.STRICT_YAML.readTree(text));

        assertThat(Json.problem(e)).isEqualTo(problem);
    }
}
