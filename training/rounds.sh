#!/bin/sh
# Makes the weights that ship, in five rounds (see MODEL_CARD.md, "How the weights were made"):
#
#     apt-get install --no-install-recommends $(cat training/debian_fonts.txt)
#     pip install -e '.[train]'
#     sh training/rounds.sh
#
# Run it at the root of the checkout. The folder DATA, or a link to it, must be there; training/data.py describes it. Each
# round starts from the weights of the round before, so those in detector/weights and recognizer/weights are replaced. It
# takes about half a day on two cores, and stops at the first command that fails.
set -eu

# Round 1: both networks from the beginning. The recogniser also learns from what the detector mistakes for numbers.
digits train detector --config configs/detector.toml --set data.root=DATA --out runs/detector
cp runs/detector/detector.safetensors detector/weights/
digits train mine DATA/negatives DATA/icdar2003/text_without_digits \
    --detector detector/weights/detector.safetensors --out DATA/mined
digits train recognizer --config configs/recognizer.toml --set data.root=DATA --out runs/recognizer
cp runs/recognizer/recognizer.safetensors recognizer/weights/

# Round 2: both go on, with a wider synthesiser and hard negatives. The detector is averaged with that of round 1.
digits train detector --config configs/detector-tuned.toml --set data.root=DATA --set stages.0.epochs=8 \
    --set data.train.1.share=0.15 --out runs/detector-tuned
digits train recognizer --config configs/recognizer-tuned.toml --set data.root=DATA --out runs/recognizer-tuned
digits train average detector detector/weights/detector.safetensors runs/detector-tuned/detector.safetensors \
    --out runs/detector.safetensors
cp runs/detector.safetensors detector/weights/
cp runs/recognizer-tuned/recognizer.safetensors recognizer/weights/

# Round 3: both once more, with zoom crops, whole stacks and letters behind numbers; both averaged.
digits train detector --config configs/detector-tuned.toml --set data.root=DATA --set seed=11 --out runs/detector-close
digits train recognizer --config configs/recognizer-tuned.toml --set data.root=DATA --set seed=13 --out runs/letters
digits train average detector detector/weights/detector.safetensors runs/detector-close/detector.safetensors \
    --share 0.75 --out runs/detector.safetensors
digits train average recognizer recognizer/weights/recognizer.safetensors runs/letters/recognizer.safetensors \
    --out runs/recognizer.safetensors
cp runs/detector.safetensors detector/weights/
cp runs/recognizer.safetensors recognizer/weights/

# Round 4: the detector alone, on hard negatives that are mined anew; averaged.
mv DATA/mined DATA/mined-before
digits train mine DATA/negatives DATA/icdar2003/text_without_digits \
    --detector detector/weights/detector.safetensors --out DATA/mined
digits train detector --config configs/detector-tuned.toml --set data.root=DATA --set seed=41 --out runs/detector-last
digits train average detector detector/weights/detector.safetensors runs/detector-last/detector.safetensors \
    --share 0.75 --out runs/detector.safetensors
cp runs/detector.safetensors detector/weights/

# Round 5: both, on real numbers in colour. The recogniser learns letters and marks.
digits train detector --config configs/detector-real.toml --set data.root=DATA --out runs/detector-real
digits train recognizer --config configs/recognizer-letters.toml --set data.root=DATA --out runs/recognizer-letters
cp runs/detector-real/detector.safetensors detector/weights/
cp runs/recognizer-letters/recognizer.safetensors recognizer/weights/

# ONNX files, in full precision and in 8-bit integers, and the calibration of the whole chain.
digits export --out exported
cp exported/detector.onnx detector/weights/
cp exported/recognizer.onnx recognizer/weights/
digits export --format int8 --ranges DATA/campus/images --out int8
cp int8/detector.int8.onnx detector/weights/
cp int8/recognizer.int8.onnx recognizer/weights/
digits train calibrate --data DATA --out pipeline/calibration.json
