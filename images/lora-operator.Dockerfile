# The image lora-operator by a container engine. `mvn package -Pimages` makes the same without one, and wrote this file:
# a test of images/ compares it and, with -Dupdate, writes it.
#
#   docker build -f images/lora-operator.Dockerfile -t lora-operator .
FROM debian:12-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends base-files binutils ca-certificates libc-bin libc6 libgcc-s1 libheif1 libstdc++6 maven openjdk-17-jdk-headless zlib1g
WORKDIR /src
COPY . .
RUN mvn -B -ntp -q package -Pimages -DskipTests -Dimages=lora-operator

FROM scratch
COPY --from=build /src/images/target/rootfs/lora-operator/system/ /
COPY --from=build /src/images/target/rootfs/lora-operator/java/ /
COPY --from=build /src/images/target/rootfs/lora-operator/libraries/ /
COPY --from=build /src/images/target/rootfs/lora-operator/app/ /
ENV LC_ALL="C.UTF-8"
ENV HOME="/tmp"
ENV PATH="/opt/java/bin"
ENV MALLOC_ARENA_MAX="2"
LABEL org.opencontainers.image.title="LoRA training's operator"
LABEL org.opencontainers.image.description="Runs LoraTraining resources as Jobs of the trainer's image"
LABEL org.opencontainers.image.version="0.1.0-SNAPSHOT"
LABEL org.opencontainers.image.created="2026-01-01T00:00:00Z"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL training.lora.sbom="/usr/share/sbom/lora-operator.cdx.json"
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/opt/java/bin/java", "@/opt/lora/operator.args", "-Duser.home=/tmp", "-jar", "/opt/lora/quarkus-run.jar"]
