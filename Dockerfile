# leakbench on CPUs: docker build --tag leakbench . && docker run --rm --volume "$PWD:/work" leakbench audit outputs.npz --out report
FROM python:3.12-slim
WORKDIR /leakbench
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# torch's CPU build is a tenth of the size of the build for GPUs
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt ".[train]" \
 && useradd --create-home auditor
USER auditor
WORKDIR /work
ENTRYPOINT ["leakbench"]
CMD ["--help"]
