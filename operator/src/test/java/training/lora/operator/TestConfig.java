package training.lora.operator;

import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;

/** The operator's settings as they are shipped, with some variables of the environment. */
public final class TestConfig {
    private TestConfig() {}

    /** With {@code environment} over what application.properties says. */
    public static OperatorConfig of(Map<String, String> environment) {
        try {
            return new SmallRyeConfigBuilder()
                    .addDiscoveredConverters()
                    .withMapping(OperatorConfig.class)
                    .withSources(
                            new PropertiesConfigSource(Path.of("src/main/resources/application.properties")
                                    .toUri()
                                    .toURL()),
                            new EnvConfigSource(environment, 300))
                    .build()
                    .getConfigMapping(OperatorConfig.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
