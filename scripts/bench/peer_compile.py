"""Peer: torch.compile, all threads.   peer_compile.py DATASET CORES RANK

Compiled: assembly of the batch, forward, loss and backward; RMSprop too, which has no fused implementation.
"""

import sys

import torch
from torch.nn.functional import cross_entropy

import torch_network
import worker


def main(dataset, cores):
    torch.set_num_threads(cores)
    images, labels = torch_network.load_tensors(dataset)

    def make_train_epoch(case):
        torch.compiler.reset()
        model = torch_network.make_model(case)
        optimizer = torch_network.make_optimizer(case, model.parameters())

        @torch.compile(dynamic=False)
        def loss_of(index):
            return cross_entropy(model(images.index_select(0, index)), labels.index_select(0, index))

        update = torch.compile(optimizer.step) if case.optimizer == "rmsprop" else optimizer.step

        def train_epoch(rows):
            for index in torch.randperm(rows).split(case.batch):
                loss = loss_of(index)
                loss.backward()
                update()
                optimizer.zero_grad(set_to_none=True)
            return loss.item()

        return train_epoch

    worker.serve(make_train_epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
