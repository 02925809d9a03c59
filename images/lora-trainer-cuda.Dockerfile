# The image lora-trainer-cuda by a container engine. `mvn package -Pimages` makes the same without one, and wrote this file:
# a test of images/ compares it and, with -Dupdate, writes it.
#
#   docker build -f images/lora-trainer-cuda.Dockerfile -t lora-trainer-cuda .
FROM debian:12-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends base-files binutils ca-certificates libc-bin libc6 libgcc-s1 libheif1 libstdc++6 maven openjdk-17-jdk-headless zlib1g
WORKDIR /src
COPY . .
RUN mvn -B -ntp -q package -Pimages -DskipTests -Dimages=lora-trainer-cuda

FROM scratch
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/system/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/java/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/cuda/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/cudnn/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/torch/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/natives/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/libraries/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/bundled/ /
COPY --from=build /src/images/target/rootfs/lora-trainer-cuda/app/ /
ENV LC_ALL="C.UTF-8"
ENV HOME="/tmp"
ENV PATH="/opt/java/bin"
ENV LORA_BUNDLED="/opt/lora/bundled"
ENV LORA_OPENCV_LIBRARY="/opt/lora/natives/libopencv_java490.so"
ENV ENGINE_CACHE_DIR="/opt/lora/natives"
ENV PYTORCH_LIBRARY_PATH="/opt/lora/cuda/torch/lib"
ENV NVIDIA_DRIVER_CAPABILITIES="compute,utility"
ENV LD_LIBRARY_PATH="/usr/local/nvidia/lib64"
ENV DJL_OFFLINE="true"
ENV OMP_WAIT_POLICY="PASSIVE"
ENV GOMP_SPINCOUNT="5000"
ENV GLIBC_TUNABLES="glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296:glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"
LABEL org.opencontainers.image.title="LoRA trainer"
LABEL org.opencontainers.image.description="Prepares, trains and evaluates adapters for Stable Diffusion, on NVIDIA's cards"
LABEL org.opencontainers.image.version="0.1.0-SNAPSHOT"
LABEL org.opencontainers.image.created="2026-01-01T00:00:00Z"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL training.lora.sbom="/usr/share/sbom/lora-trainer-cuda.cdx.json"
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/opt/java/bin/java", "@/opt/lora/trainer.args", "-Duser.home=/tmp", "-Djna.nounpack=true", "-Djna.boot.library.path=/opt/lora/natives", "-Donnxruntime.native.path=/opt/lora/natives", "-cp", "/opt/lora/app/*:/opt/lora/lib/*", "training.lora.trainer.cli.Main"]
