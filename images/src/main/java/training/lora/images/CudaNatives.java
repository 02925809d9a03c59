package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Those for NVIDIA's cards: of PyPI's torch, with the very versions of NVIDIA's libraries that it names. Maven Central has no
 * set of that kind: its libtorch 2.7.1 is built for CUDA 12.9, whose libraries are too large for it. They lie as pip lays
 * them out, because they find each other by that.
 */
final class CudaNatives implements TorchNatives {
    static final String NAME = "lora-trainer-cuda";

    private static final String HOME = TrainerImage.HOME + "/cuda";

    /** The trainer chooses among DJL's glue by the device; that for CPUs needs no driver. */
    private static final List<String> FLAVORS = List.of("cpu", "cu128");

    /** Layer to what is in it. Without what only profilers and other languages ask for. */
    private static final Map<String, List<Wheel>> WHEELS = wheels();

    private final WheelFolder folder;

    CudaNatives(WheelFolder folder) {
        this.folder = folder;
    }

    private static Map<String, List<Wheel>> wheels() {
        Map<String, List<Wheel>> wheels = new LinkedHashMap<>();
        wheels.put(
                "cuda",
                List.of(
                        new Wheel(
                                "nvidia_cublas_cu12-12.6.4.1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                                "08ed2686e9875d01b58e3cb379c6896df8e76c75e0d4a7f7dace3d7b6d9ef8eb",
                                "nvidia/cublas/lib",
                                List.of("libcublas.so.12", "libcublasLt.so.12")),
                        new Wheel(
                                "nvidia_cuda_cupti_cu12-12.6.80-py3-none-manylinux2014_x86_64.whl",
                                "a3eff6cdfcc6a4c35db968a06fcadb061cbc7d6dde548609a941ff8701b98b73",
                                "nvidia/cuda_cupti/lib",
                                List.of("libcupti.so.12")),
                        new Wheel(
                                "nvidia_cuda_nvrtc_cu12-12.6.77-py3-none-manylinux2014_x86_64.whl",
                                "35b0cc6ee3a9636d5409133e79273ce1f3fd087abb0532d2d2e8fff1fe9efc53",
                                "nvidia/cuda_nvrtc/lib",
                                List.of("libnvrtc.so.12", "libnvrtc-builtins.so.12.6")),
                        new Wheel(
                                "nvidia_cuda_runtime_cu12-12.6.77-py3-none-manylinux2014_x86_64.whl",
                                "a84d15d5e1da416dd4774cb42edf5e954a3e60cc945698dc1d5be02321c44dc8",
                                "nvidia/cuda_runtime/lib",
                                List.of("libcudart.so.12")),
                        new Wheel(
                                "nvidia_cufft_cu12-11.3.0.4-py3-none-manylinux2014_x86_64.whl",
                                "768160ac89f6f7b459bee747e8d175dbf53619cfe74b2a5636264163138013ca",
                                "nvidia/cufft/lib",
                                List.of("libcufft.so.11")),
                        new Wheel(
                                "nvidia_cufile_cu12-1.11.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                                "cc23469d1c7e52ce6c1d55253273d32c565dd22068647f3aa59b3c6b005bf159",
                                "nvidia/cufile/lib",
                                List.of("libcufile.so.0")),
                        new Wheel(
                                "nvidia_curand_cu12-10.3.7.77-py3-none-manylinux2014_x86_64.whl",
                                "99f1a32f1ac2bd134897fc7a203f779303261268a65762a623bf30cc9fe79117",
                                "nvidia/curand/lib",
                                List.of("libcurand.so.10")),
                        new Wheel(
                                "nvidia_cusolver_cu12-11.7.1.2-py3-none-manylinux2014_x86_64.whl",
                                "6cf28f17f64107a0c4d7802be5ff5537b2130bfc112f25d5a30df227058ca0e6",
                                "nvidia/cusolver/lib",
                                List.of("libcusolver.so.11")),
                        new Wheel(
                                "nvidia_cusparse_cu12-12.5.4.2-py3-none-manylinux2014_x86_64.whl",
                                "23749a6571191a215cb74d1cdbff4a86e7b19f1200c071b3fcf844a5bea23a2f",
                                "nvidia/cusparse/lib",
                                List.of("libcusparse.so.12")),
                        new Wheel(
                                "nvidia_cusparselt_cu12-0.6.3-py3-none-manylinux2014_x86_64.whl",
                                "e5c8a26c36445dd2e6812f1177978a24e2d37cacce7e090f297a688d1ec44f46",
                                "cusparselt/lib",
                                List.of("libcusparseLt.so.0")),
                        new Wheel(
                                "nvidia_nccl_cu12-2.26.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                                "694cf3879a206553cc9d7dbda76b13efaf610fdb70a50cba303de1b0d1530ac6",
                                "nvidia/nccl/lib",
                                List.of("libnccl.so.2")),
                        new Wheel(
                                "nvidia_nvjitlink_cu12-12.6.85-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
                                "eedc36df9e88b682efe4309aa16b5b4e78c2407eac59e8c10a6a47535164369a",
                                "nvidia/nvjitlink/lib",
                                List.of("libnvJitLink.so.12"))));
        wheels.put(
                "cudnn",
                List.of(new Wheel(
                        "nvidia_cudnn_cu12-9.5.1.17-py3-none-manylinux_2_28_x86_64.whl",
                        "30ac3869f6db17d170e0e556dd6cc5eee02647abc31ca856634d5a40f82c15b2",
                        "nvidia/cudnn/lib",
                        // The first loads the others by name.
                        List.of(
                                "libcudnn.so.9",
                                "libcudnn_adv.so.9",
                                "libcudnn_cnn.so.9",
                                "libcudnn_engines_precompiled.so.9",
                                "libcudnn_engines_runtime_compiled.so.9",
                                "libcudnn_graph.so.9",
                                "libcudnn_heuristic.so.9",
                                "libcudnn_ops.so.9"))));
        wheels.put(
                "torch",
                List.of(new Wheel(
                        "torch-2.7.1-cp310-cp310-manylinux_2_28_x86_64.whl",
                        "fe955951bdf32d182ee8ead6c3186ad54781492bf03d547d31771a01b3d6fb7d",
                        "torch/lib",
                        List.of(
                                "libc10.so",
                                "libc10_cuda.so",
                                "libcaffe2_nvrtc.so",
                                "libgomp.so.1",
                                "libtorch.so",
                                "libtorch_cpu.so",
                                "libtorch_cuda.so",
                                "libtorch_cuda_linalg.so"))));
        return wheels;
    }

    @Override
    public String image() {
        return NAME;
    }

    @Override
    public String tagSuffix() {
        return "-cuda";
    }

    @Override
    public String description() {
        return "Prepares, trains and evaluates adapters for Stable Diffusion, on NVIDIA's cards";
    }

    @Override
    public Map<String, String> environment() {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("PYTORCH_LIBRARY_PATH", HOME + "/torch/lib");
        // What NVIDIA's container toolkit mounts of the driver. Which cards is for the device plugin to say, not for an
        // image.
        environment.put("NVIDIA_DRIVER_CAPABILITIES", "compute,utility");
        // Google's nodes mount the driver here; the toolkit mounts it where the loader looks anyway.
        environment.put("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64");
        return environment;
    }

    @Override
    public List<String> layers() {
        return List.copyOf(WHEELS.keySet());
    }

    @Override
    public List<Layer> lay(Path rootfs, Layer small, TrainerJars jars, Sbom sbom)
            throws IOException, InterruptedException {
        List<Layer> layers = new ArrayList<>();
        for (Map.Entry<String, List<Wheel>> entry : WHEELS.entrySet()) {
            Layer layer = Layer.create(rootfs, entry.getKey());
            for (Wheel wheel : entry.getValue()) {
                Path archive = folder.get(wheel);
                // The trainer reads torch's version from it.
                List<String> others = wheel.project().equals("torch") ? List.of("torch/version.py") : List.of();
                wheel.unpack(archive, layer, HOME, others);
                sbom.addWheel(wheel, wheel.licence(archive));
            }
            layers.add(layer);
        }
        for (String flavor : FLAVORS) {
            TorchNatives.glue(jars, flavor, small);
        }
        return layers;
    }
}
