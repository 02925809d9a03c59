package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProcessorTest {
    @ParameterizedTest
    @CsvSource({
        "'flags\t\t: fpu avx512f avx512_bf16 clzero', true",
        "'flags\t\t: fpu amx_bf16 amx_tile', true",
        "'Features\t: fp asimd i8mm bf16', true",
        "'flags\t\t: fpu avx2 avx512f', false",
        "'model name\t: bf16', false",
    })
    void bf16IsKnownByTheProcessorsFlags(String cpuinfo, boolean expected) {
        assertThat(Processor.hasBFloat16("processor\t: 0\n" + cpuinfo + "\n")).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "'flags\t\t: fpu amx_bf16 amx_tile', true",
        "'flags\t\t: fpu avx512_bf16 amx_int8', false",
        "'Features\t: fp asimd i8mm bf16', false",
    })
    void amxIsKnownByTheProcessorsFlags(String cpuinfo, boolean expected) {
        assertThat(Processor.hasAmx("processor\t: 0\n" + cpuinfo + "\n")).isEqualTo(expected);
    }
}
