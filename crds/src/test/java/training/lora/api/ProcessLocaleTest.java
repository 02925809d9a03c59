package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Locale;
import org.junit.jupiter.api.Test;

class ProcessLocaleTest {
    @Test
    void numbersAreInAsciiDigitsInAnyLocale() {
        Locale before = Locale.getDefault();
        try {
            for (String tag : new String[] {"fa-IR", "ar-EG-u-nu-arab", "de-DE", "hi-IN-u-nu-deva"}) {
                Locale.setDefault(Locale.forLanguageTag(tag));

                ProcessLocale.makeNeutral();

                assertThat("%d %.2f %06d".formatted(12, 3.4, 56)).as(tag).isEqualTo("12 3.40 000056");
            }
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void localeThatIsNotUtf8IsNamed() {
        assertThat(ProcessLocale.problem("UTF-8")).isNull();
        assertThat(ProcessLocale.problem("ANSI_X3.4-1968"))
                .isEqualTo(
                        "the process must be started in a UTF-8 locale, such as with LC_ALL=C.UTF-8 in its environment,"
                                + " but file names and arguments are ANSI_X3.4-1968 in its own");
    }
}
