package training.lora.images;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * A Dockerfile that makes an image for people who build in the usual way. The files in {@code images/} are written by this, and
 * a test compares them.
 */
final class Dockerfile {
    /** What the build needs beside what goes into the image. */
    private static final List<String> TOOLS =
            List.of("binutils", PictureLibraries.PACKAGE, "maven", "openjdk-17-jdk-headless");

    private Dockerfile() {}

    /** @param layers names, from that which changes least */
    static String of(String name, ImageConfig config, List<String> layers) {
        TreeSet<String> packages = new TreeSet<>(SystemLayer.packageNames());
        packages.addAll(TOOLS);
        StringBuilder text = new StringBuilder("""
                # The image %1$s by a container engine. `mvn package -Pimages` makes the same without one, and wrote this file:
                # a test of images/ compares it and, with -Dupdate, writes it.
                #
                #   docker build -f images/%1$s.Dockerfile -t %1$s .
                FROM debian:12-slim AS build
                RUN apt-get update \\
                 && apt-get install -y --no-install-recommends %2$s
                WORKDIR /src
                COPY . .
                RUN mvn -B -ntp -q package -Pimages -DskipTests -Dimages=%1$s

                FROM scratch
                """.formatted(name, String.join(" ", packages)));
        for (String layer : layers) {
            text.append("COPY --from=build /src/images/target/rootfs/%s/%s/ /\n".formatted(name, layer));
        }
        for (Map.Entry<String, String> variable : config.environment().entrySet()) {
            text.append("ENV %s=%s\n".formatted(variable.getKey(), quoted(variable.getValue())));
        }
        for (Map.Entry<String, String> label : config.labels().entrySet()) {
            text.append("LABEL %s=%s\n".formatted(label.getKey(), quoted(label.getValue())));
        }
        text.append("USER %s\nWORKDIR %s\n".formatted(ImageConfig.USER, ImageConfig.HOME));
        List<String> words =
                config.entrypoint().stream().map(Dockerfile::quoted).toList();
        return text.append("ENTRYPOINT [%s]\n".formatted(String.join(", ", words)))
                .toString();
    }

    private static String quoted(String value) {
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
